/* elf_file.h - what is to be known about a program or a library before anything runs on it. */
#ifndef HAKMEM_TOOLS_ELF_FILE_H
#define HAKMEM_TOOLS_ELF_FILE_H

#include <stdbool.h>

struct elf_facts {
  unsigned char elf_class;  /* ELFCLASS32 or ELFCLASS64 */
  unsigned char data;       /* order of bytes */
  unsigned machine;         /* EM_... */
  unsigned type;            /* ET_EXEC, ET_DYN */
  bool has_loader;          /* a dynamic program: PT_INTERP is there */
};

/* Reads the headers of a file and checks that all that they name is there. NULL, or what is wrong with it, in
   words that follow the file's name; the text is valid until the next call. The second form does not close
   file. */
const char *elf_read(const char *path, struct elf_facts *facts);
const char *elf_read_file(int file, struct elf_facts *facts);

/* Whether one process can hold both. */
bool elf_same_machine(const struct elf_facts *one, const struct elf_facts *other);
/* "64-bit x86-64" for messages; in buffer where the machine has no name here. */
const char *elf_machine_name(const struct elf_facts *facts, char *buffer, unsigned long size);

#endif
