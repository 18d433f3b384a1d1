/*
 * expression_token.c - cut a filter's text into words.
 *
 * Strings stand in ', identifiers may stand in " or `; a quote inside is doubled. Bytes may be
 * given in hexadecimal, x'00ff'. A sign belongs to the number behind it: filters have no
 * arithmetic.
 */
#include "iceberg/filter/expression_token.h"

#include "iceberg/schema/literal.h"
#include "text/quoted_text.h"

static bool is_word_start(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (unsigned char)c >= 0x80;
}

static bool is_digit(char c)
{
  return c >= '0' && c <= '9';
}

bool frz_token_is(const frz_token *token, const char *keyword)
{
  return token->kind == FRZ_TOKEN_WORD && frz_str_is_word(token->text, keyword);
}

static frz_status take_quoted(frz_tokenizer *t, char quote, frz_token *token, frz_error *err)
{
  frz_status st = frz_quoted_text_take(t->text, &t->pos, t->arena, &token->text, err);
  if (st != FRZ_OK) {
    frz_error_where(err, "filter ");
    return st;
  }
  token->kind = quote == '\'' ? FRZ_TOKEN_STRING : FRZ_TOKEN_QUOTED;
  return FRZ_OK;
}

/* x'00ff': bytes, which may hold what a C string cannot. */
static frz_status take_hex(frz_tokenizer *t, frz_token *token, frz_error *err)
{
  t->pos++;
  FRZ_TRY(take_quoted(t, '\'', token, err));
  uint8_t *bytes = frz_arena_push(t->arena, token->text.size / 2 + 1);
  if (bytes == NULL) return frz_fail_nomem(err, "filter");
  if (!frz_hex_parse(token->text, bytes))
    return frz_fail(err, FRZ_ERR_INVALID, "filter offset %zu: x'...' takes pairs of hex digits",
                    token->offset);
  token->text = (frz_str){(char *)bytes, token->text.size / 2};
  return FRZ_OK;
}

static void take_number(frz_tokenizer *t, frz_token *token)
{
  const char *text = t->text.data;
  size_t at = t->pos + 1;
  while (at < t->text.size) {
    char c = text[at];
    bool is_exponent_sign = (c == '+' || c == '-') && (text[at - 1] == 'e' || text[at - 1] == 'E');
    if (!is_digit(c) && c != '.' && !is_word_start(c) && !is_exponent_sign) break;
    at++;
  }
  token->kind = FRZ_TOKEN_NUMBER;
  token->text = (frz_str){text + t->pos, at - t->pos};
  t->pos = at;
}

static void take_word(frz_tokenizer *t, frz_token *token)
{
  size_t at = t->pos;
  while (at < t->text.size &&
         (is_word_start(t->text.data[at]) || is_digit(t->text.data[at]) || t->text.data[at] == '$'))
    at++;
  token->kind = FRZ_TOKEN_WORD;
  token->text = (frz_str){t->text.data + t->pos, at - t->pos};
  t->pos = at;
}

static frz_token_kind sign_kind(char first, char second, size_t *size_out)
{
  *size_out = 1;
  switch (first) {
  case '(': return FRZ_TOKEN_OPEN;
  case ')': return FRZ_TOKEN_CLOSE;
  case ',': return FRZ_TOKEN_COMMA;
  case '.': return FRZ_TOKEN_DOT;
  case '=': *size_out = second == '=' ? 2 : 1; return FRZ_TOKEN_EQ;
  case '!': *size_out = 2; return second == '=' ? FRZ_TOKEN_NE : FRZ_TOKEN_END;
  case '<':
    *size_out = second == '=' || second == '>' ? 2 : 1;
    return second == '=' ? FRZ_TOKEN_LE : second == '>' ? FRZ_TOKEN_NE : FRZ_TOKEN_LT;
  case '>': *size_out = second == '=' ? 2 : 1; return second == '=' ? FRZ_TOKEN_GE : FRZ_TOKEN_GT;
  default: return FRZ_TOKEN_END;
  }
}

frz_status frz_token_next(frz_tokenizer *t, frz_token *token_out, frz_error *err)
{
  const char *text = t->text.data;
  while (t->pos < t->text.size && (text[t->pos] == ' ' || text[t->pos] == '\t' ||
                                   text[t->pos] == '\n' || text[t->pos] == '\r'))
    t->pos++;
  frz_token token = {.kind = FRZ_TOKEN_END, .offset = t->pos};
  if (t->pos < t->text.size) {
    char c = text[t->pos];
    char second = t->pos + 1 < t->text.size ? text[t->pos + 1] : '\0';
    if (c == '\'' || c == '"' || c == '`') {
      FRZ_TRY(take_quoted(t, c, &token, err));
    } else if ((c == 'x' || c == 'X') && second == '\'') {
      FRZ_TRY(take_hex(t, &token, err));
    } else if (is_digit(c) || ((c == '-' || c == '+') && is_digit(second))) {
      take_number(t, &token);
    } else if (is_word_start(c)) {
      take_word(t, &token);
    } else {
      size_t size;
      token.kind = sign_kind(c, second, &size);
      if (token.kind == FRZ_TOKEN_END)
        return frz_fail(err, FRZ_ERR_INVALID, "filter offset %zu: unexpected character '%c'",
                        t->pos, c);
      token.text = (frz_str){text + t->pos, size};
      t->pos += size;
    }
  }
  *token_out = token;
  return FRZ_OK;
}
