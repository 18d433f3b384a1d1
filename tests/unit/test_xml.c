/*
 * test_xml.c - the XML of object stores: names, text, references, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "text/xml_reader.h"

/* The events as "+name" and "-name=text;", appended to `out`. */
static frz_status tell(frz_str document, frz_buf *out, frz_error *err)
{
  frz_xml_reader reader;
  frz_xml_event event = {0};
  frz_arena arena;
  frz_arena_init(&arena, frz_alloc_default(), 1 << 20);
  frz_xml_reader_init(&reader, document.data, document.size, &arena);
  frz_status st;
  while ((st = frz_xml_next(&reader, &event, err)) == FRZ_OK && event.kind != FRZ_XML_DONE) {
    if (event.kind == FRZ_XML_BEGIN)
      st = frz_buf_print(out, NULL, "+%.*s;", FRZ_STR_ARG(event.name));
    else
      st =
          frz_buf_print(out, NULL, "-%.*s=%.*s;", FRZ_STR_ARG(event.name), FRZ_STR_ARG(event.text));
    assert_int_equal(st, FRZ_OK);
  }
  frz_arena_free(&arena);
  return st;
}

static void test_documents(void **state)
{
  (void)state;
  static const struct {
    const char *xml;
    const char *events;
  } cases[] = {
      {"<a/>", "+a;-a=;"},
      {"<?xml version=\"1.0\"?>\n<!-- c --> <a x='>'>1</a>\n", "+a;-a=1;"},
      {"\xef\xbb\xbf<a>1</a>", "+a;-a=1;"},
      {"<s3:a xmlns:s3=\"u\"><s3:Key> x y </s3:Key></s3:a>", "+a;+Key;-Key= x y ;-a=;"},
      {"<a>&amp;&lt;&gt;&quot;&apos;&#65;&#x20AC;</a>", "+a;-a=&<>\"'A\xe2\x82\xac;"},
      {"<a>x<!-- y -->z<![CDATA[<&]]></a>", "+a;-a=xz<&;"},
      {"<a> <b/> <c></c> </a>", "+a;+b;-b=;+c;-c=;-a=;"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_buf out;
    frz_error err = {0};
    frz_buf_init(&out, frz_alloc_default(), 1 << 16);
    frz_status st = tell(frz_str_from(cases[i].xml), &out, &err);
    if (st != FRZ_OK || !frz_str_is(frz_buf_str(&out), cases[i].events))
      fail_msg("%s: %.*s %s", cases[i].xml, (int)out.size, (const char *)out.data, err.message);
    frz_buf_dispose(&out);
  }
}

static void test_refusals(void **state)
{
  (void)state;
  static const char *const cases[] = {"",
                                      " ",
                                      "x",
                                      "<a",
                                      "<a>",
                                      "<a></b>",
                                      "</a>",
                                      "<a/><b/>",
                                      "<a>&x;</a>",
                                      "<a>&</a>",
                                      "<a>&#0;</a>",
                                      "<a>&#xD800;</a>",
                                      "<a>&#x110000;</a>",
                                      "<a/>x",
                                      "<!DOCTYPE a><a/>",
                                      "<a><!DOCTYPE b></a>",
                                      "<a b='></a>",
                                      "<a>&#;</a>",
                                      "< a/>",
                                      "<a><!-- </a>",
                                      "<a>&#x;</a>",
                                      "<a>&#99999999999;</a>"};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    frz_buf out;
    frz_error err;
    frz_buf_init(&out, frz_alloc_default(), 1 << 16);
    if (tell(frz_str_from(cases[i]), &out, &err) != FRZ_ERR_CORRUPT)
      fail_msg("'%s' was taken: %.*s", cases[i], (int)out.size, (const char *)out.data);
    assert_non_null(strstr(err.message, "XML at byte "));
    frz_buf_dispose(&out);
  }
}

static void test_nesting_is_bounded(void **state)
{
  (void)state;
  char xml[4 * FRZ_LIMIT_DEPTH];
  size_t n = 0;
  for (int i = 0; i <= FRZ_LIMIT_DEPTH; i++, n += 3) memcpy(xml + n, "<a>", 3);
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1 << 16);
  assert_int_equal(tell((frz_str){xml, n}, &out, NULL), FRZ_ERR_CORRUPT);
  frz_buf_dispose(&out);
}

static void test_every_cut_is_refused(void **state)
{
  (void)state;
  static const char xml[] = "<?xml version='1.0'?><r><k a='b'>x&amp;y<![CDATA[z]]></k><e/></r>";
  for (size_t n = 0; n < sizeof xml - 1; n++) {
    frz_buf out;
    frz_buf_init(&out, frz_alloc_default(), 1 << 16);
    assert_int_equal(tell((frz_str){xml, n}, &out, NULL), FRZ_ERR_CORRUPT);
    frz_buf_dispose(&out);
  }
}

static void test_text_is_escaped(void **state)
{
  (void)state;
  frz_buf out;
  frz_buf_init(&out, frz_alloc_default(), 1024);
  assert_int_equal(frz_xml_append_text(&out, FRZ_STR("a<b>&\"'\r"), NULL), FRZ_OK);
  assert_true(frz_str_is(frz_buf_str(&out), "a&lt;b&gt;&amp;&quot;&apos;&#13;"));
  frz_buf_dispose(&out);
}

int main(void)
{
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_documents),          cmocka_unit_test(test_refusals),
      cmocka_unit_test(test_nesting_is_bounded), cmocka_unit_test(test_every_cut_is_refused),
      cmocka_unit_test(test_text_is_escaped),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
