/*
 * expression_token.h - the words of a filter's text.
 */
#ifndef FRZ_ICEBERG_EXPRESSION_TOKEN_H
#define FRZ_ICEBERG_EXPRESSION_TOKEN_H

#include "base/arena.h"
#include "base/fail.h"

typedef enum frz_token_kind {
  FRZ_TOKEN_END,
  FRZ_TOKEN_WORD,   /* a bare identifier or keyword */
  FRZ_TOKEN_QUOTED, /* an identifier in " or ` */
  FRZ_TOKEN_STRING, /* in ' */
  FRZ_TOKEN_NUMBER,
  FRZ_TOKEN_EQ,
  FRZ_TOKEN_NE,
  FRZ_TOKEN_LT,
  FRZ_TOKEN_LE,
  FRZ_TOKEN_GT,
  FRZ_TOKEN_GE,
  FRZ_TOKEN_OPEN,
  FRZ_TOKEN_CLOSE,
  FRZ_TOKEN_COMMA,
  FRZ_TOKEN_DOT
} frz_token_kind;

typedef struct frz_token {
  frz_token_kind kind;
  frz_str text; /* quoted kinds: without quotes, doubled quotes made one */
  size_t offset;
} frz_token;

typedef struct frz_tokenizer {
  frz_str text;
  size_t pos;
  frz_arena *arena; /* for texts with doubled quotes */
} frz_tokenizer;

/** Read the next token; FRZ_ERR_INVALID gives the offset of what is none. */
frz_status frz_token_next(frz_tokenizer *tokenizer, frz_token *token_out,
                          frz_error *err) FRZ_MUST_CHECK;

/** Is it this keyword (given in lower case)? Quoted identifiers never are. */
bool frz_token_is(const frz_token *token, const char *keyword);

#endif
