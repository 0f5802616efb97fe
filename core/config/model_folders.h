/* Where model files are looked for besides the folder of the experiment that names them. */
#ifndef CONFIG_MODEL_FOLDERS_H
#define CONFIG_MODEL_FOLDERS_H

/* experiments/architectures of the present folder and of the source tree, build tree or installation that the executable
 * and the library belong to, in this order. NULL-terminated. */
char **model_folders(void);
void model_folders_free(char **list);

#endif
