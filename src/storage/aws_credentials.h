/*
 * aws_credentials.h - the credentials that requests to AWS are signed with: given by properties, or
 * looked for in the environment, in profile files, at AWS's services; those of a role, where one is
 * to be assumed with them. Kept until shortly before they end.
 *
 * The library reads the environment here alone, and only where a property (credentials-source or
 * profile-name) asks for it.
 */
#ifndef FRZ_STORAGE_AWS_CREDENTIALS_H
#define FRZ_STORAGE_AWS_CREDENTIALS_H

#include "net/http_client.h"
#include "storage/aws_config.h"

typedef struct frz_aws_provider frz_aws_provider;

/** The client, the config and its texts must outlive it. */
frz_status frz_aws_provider_create(frz_context *context, frz_http_client *http,
                                   const frz_aws_config *config, frz_aws_provider **provider_out,
                                   frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_aws_provider_free(frz_aws_provider *provider);

/** Those of the properties, else of the first source that has some, or those of the role; copied
 * into the arena. FRZ_ERR_AUTH says where was looked. Any thread. */
frz_status frz_aws_provider_get(frz_aws_provider *provider, frz_arena *arena,
                                frz_aws_credentials *found_out, frz_error *err) FRZ_MUST_CHECK;

/** A server says that they have ended: false where they cannot be other ones next time. */
bool frz_aws_provider_renew(frz_aws_provider *provider);

#endif
