/*
 * secret.h - what a server says, unless it says back what is secret.
 */
#ifndef FRZ_NET_SECRET_H
#define FRZ_NET_SECRET_H

#include "net/sigv4.h"

/** The text; size 0 where one of the secrets is in it. Empty ones are passed over. */
static inline frz_str frz_unless_secret(frz_str text, const frz_str *secrets, size_t n_secrets)
{
  for (size_t i = 0; i < n_secrets; i++)
    if (secrets[i].size != 0 && text.size >= secrets[i].size &&
        memmem(text.data, text.size, secrets[i].data, secrets[i].size) != NULL)
      return (frz_str){"", 0};
  return text;
}

static inline frz_str frz_unless_aws_secret(frz_str text, const frz_aws_credentials *used)
{
  const frz_str secrets[] = {used->access_key_id, used->secret_access_key, used->session_token};
  return frz_unless_secret(text, secrets, 3);
}

#endif
