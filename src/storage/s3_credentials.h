/*
 * s3_credentials.h - credentials that are looked for: in the environment, in profile files, from
 * AWS's services. Kept until shortly before they end.
 *
 * The library reads the environment here alone, and only where the property s3.credentials-source
 * (or s3.profile-name) asks for it.
 */
#ifndef FRZ_STORAGE_S3_CREDENTIALS_H
#define FRZ_STORAGE_S3_CREDENTIALS_H

#include "net/http_client.h"
#include "storage/s3_config.h"

typedef struct frz_s3_credentials frz_s3_credentials;

/** The client and the texts of the config must outlive it. */
frz_status frz_s3_credentials_create(frz_context *context, frz_http_client *http,
                                     const frz_s3_config *config,
                                     frz_s3_credentials **credentials_out,
                                     frz_error *err) FRZ_MUST_CHECK;
/** NULL is accepted. */
void frz_s3_credentials_free(frz_s3_credentials *credentials);

/** Those of the first source that has some, copied into the arena. FRZ_ERR_AUTH says where was
 * looked. Any thread. */
frz_status frz_s3_credentials_get(frz_s3_credentials *credentials, frz_arena *arena,
                                  frz_aws_credentials *found_out, frz_error *err) FRZ_MUST_CHECK;

/** A server says that they have ended: false where they cannot be other ones next time. */
bool frz_s3_credentials_renew(frz_s3_credentials *credentials);

#endif
