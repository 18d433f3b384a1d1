/*
 * status.h - status codes and the caller-owned error.
 *
 * A fallible call returns frz_status (0 is success) and, where the caller passed
 * a frz_error, describes the failure in it. There is no thread-local state and no
 * allocation, so running out of memory can be reported too.
 */
#ifndef FRAZIL_STATUS_H
#define FRAZIL_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FRZ_API __attribute__((visibility("default")))
#define FRZ_MUST_CHECK __attribute__((warn_unused_result))
#define FRZ_PRINTF(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#else
#define FRZ_API
#define FRZ_MUST_CHECK
#define FRZ_PRINTF(format_at, args_at)
#endif

/** Each code asks for a different reaction of the caller. The numbers never change. */
typedef enum frz_status {
  FRZ_OK = 0,
  FRZ_ERR_INVALID = 1,        /**< An argument, option or input value is wrong: correct the call. */
  FRZ_ERR_NOMEM = 2,          /**< An allocation was refused. */
  FRZ_ERR_CORRUPT = 3,        /**< A file or answer breaks its format. */
  FRZ_ERR_UNSUPPORTED = 4,    /**< Valid, but not something that frazil does. */
  FRZ_ERR_IO = 5,             /**< The operating system or a server refused; a retry may help. */
  FRZ_ERR_NOT_FOUND = 6,      /**< The named thing is not there. */
  FRZ_ERR_CONFLICT = 7,       /**< Somebody else committed first: reload, then retry. */
  FRZ_ERR_COMMIT_UNKNOWN = 8, /**< The commit may have happened: check, delete nothing. */
  FRZ_ERR_STALE = 9,          /**< A cached thing is older than the caller allows. */
  FRZ_ERR_LIMIT = 10,         /**< A documented limit would be passed. */
  FRZ_ERR_TIMEOUT = 11,       /**< The deadline passed. */
  FRZ_ERR_CANCELLED = 12,     /**< frz_context_cancel() or the interrupt callback asked to stop. */
  FRZ_ERR_AUTH = 13,          /**< Credentials are missing, wrong or not sufficient. */
  FRZ_ERR_EXISTS = 14         /**< The thing to be created is there already. */
} frz_status;

enum { FRZ_ERROR_MESSAGE_BYTES = 1024 };

/** A failure in words: one line, NUL-terminated, naming object, place and value. Caller-owned. */
typedef struct frz_error {
  frz_status code;
  char message[FRZ_ERROR_MESSAGE_BYTES];
} frz_error;

/** @brief The name of a status, such as "FRZ_ERR_CORRUPT". Static storage, never NULL. */
FRZ_API const char *frz_status_name(frz_status status);

/** @brief frazil's version, such as "0.1.0". Static storage. */
FRZ_API const char *frz_version(void);

#ifdef __cplusplus
}
#endif
#endif
