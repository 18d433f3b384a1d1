/*
 * feast_repo.h - what a Feast repo's feature_store.yaml says of the catalog and the online store.
 */
#ifndef FRAZIL_CLI_FEAST_REPO_H
#define FRAZIL_CLI_FEAST_REPO_H

#include "command.h"

/**
 * Read the repo that line->serve.repo names, a folder or a YAML file, and fill in what the command
 * line did not give: catalog, its properties, project, namespace, online options.
 *
 * The texts stay until feast_repo_dispose().
 * @retval FRZ_ERR_NOT_FOUND no such file.
 * @retval FRZ_ERR_INVALID   not YAML; an online store that is not frazil's; a value that is wrong.
 */
frz_status feast_repo_apply(command_line *line, frz_error *err) FRZ_MUST_CHECK;

/** Free the texts that came from a repo; there may be none. */
void feast_repo_dispose(command_line *line);

#endif
