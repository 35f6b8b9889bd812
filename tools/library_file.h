/* library_file.h - whether a library may be put under every program of a system. */
#ifndef HAKMEM_TOOLS_LIBRARY_FILE_H
#define HAKMEM_TOOLS_LIBRARY_FILE_H

/* path is absolute and means a file of the system in the folder root. It must be a whole shared library for
   the system's own programs, reached without symbolic links, in folders that nobody but root (and the caller)
   can write to. NULL, or the reason why not, which the caller frees. */
char *library_file_problem(int root, const char *path);

#endif
