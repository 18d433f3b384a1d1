/*
 * test_files.h - temporary folders, whole files and fixtures for tests.
 */
#ifndef FRZ_TESTS_TEST_FILES_H
#define FRZ_TESTS_TEST_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** Make a fresh folder; its path is written to `path_out`. Exits on failure. */
void frz_test_folder(char path_out[256]);

/** Remove a folder and everything in it. */
void frz_test_folder_remove(const char *path);

/** Read a whole file into malloc'ed memory; NULL when it is not there. */
uint8_t *frz_test_read(const char *path, size_t *size_out);

void frz_test_write(const char *path, const void *data, size_t size);

/** The folder of the fixtures of other implementations ("../shared/fixtures" beside the project, or
 * $FRAZIL_FIXTURES); false, and a line on stdout that says so, where it is absent. */
bool frz_test_fixtures(char path_out[4096]);

/** The path of a file under tests/golden/. */
void frz_test_golden(const char *name, char path_out[4096]);

#endif
