/*
 * base64.c - see base64.h.
 */
#include "text/base64.h"

#include <stdint.h>

static const char plain_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static frz_str print(frz_str bytes, const char *letters, frz_arena *arena)
{
  if (bytes.size > SIZE_MAX / 2) return (frz_str){0};
  size_t size = (bytes.size + 2) / 3 * 4;
  char *text = frz_arena_push(arena, size + 1);
  if (text == NULL) return (frz_str){0};
  for (size_t i = 0, at = 0; i < bytes.size; i += 3) {
    size_t left = bytes.size - i;
    uint32_t group = (uint32_t)(uint8_t)bytes.data[i] << 16;
    if (left > 1) group |= (uint32_t)(uint8_t)bytes.data[i + 1] << 8;
    if (left > 2) group |= (uint8_t)bytes.data[i + 2];
    text[at++] = letters[group >> 18];
    text[at++] = letters[group >> 12 & 63];
    text[at++] = left > 1 ? letters[group >> 6 & 63] : '=';
    text[at++] = left > 2 ? letters[group & 63] : '=';
  }
  return (frz_str){text, size};
}

static frz_str without_padding(frz_str text)
{
  for (int i = 0; i < 2 && text.size != 0 && text.data[text.size - 1] == '='; i++) text.size--;
  return text;
}

frz_str frz_base64_print(frz_str bytes, frz_arena *arena)
{
  return print(bytes, plain_letters, arena);
}

frz_str frz_base64_print_url(frz_str bytes, frz_arena *arena)
{
  return without_padding(print(bytes, url_letters, arena));
}

/* -1: not a letter. */
static int value_of(char c)
{
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

bool frz_base64_read(frz_str text, frz_arena *arena, frz_str *bytes_out)
{
  *bytes_out = (frz_str){0};
  text = without_padding(text);
  if (text.size % 4 == 1) return false;
  char *bytes = frz_arena_push(arena, text.size / 4 * 3 + 3);
  if (bytes == NULL) return true;
  size_t size = 0;
  uint32_t bits = 0;
  for (size_t i = 0; i < text.size; i++) {
    int value = value_of(text.data[i]);
    if (value < 0) return false;
    bits = bits << 6 | (uint32_t)value;
    if (i % 4 != 0) bytes[size++] = (char)(uint8_t)(bits >> (6 - i % 4 * 2));
  }
  *bytes_out = (frz_str){bytes, size};
  return true;
}
