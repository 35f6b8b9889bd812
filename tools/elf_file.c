/* elf_file.c - the headers of ELF files of either class. Those of a foreign order of bytes are not for this
   machine. */
#include <config.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "elf_file.h"

/* The members of both classes that are looked at. */
struct header {
  uint64_t programs, sections;  /* offsets of the tables */
  unsigned program_count, program_size, section_count, section_size;
};
struct segment {
  uint32_t type;
  uint64_t offset, size;
};

#define OWN_ORDER (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? ELFDATA2LSB : ELFDATA2MSB)

static bool read_at(int file, void *buffer, size_t size, uint64_t offset)
{
  return offset <= INT64_MAX && pread(file, buffer, size, (off_t)offset) == (ssize_t)size;
}

#define COPY_HEADER(from) \
  *header = (struct header){(from).e_phoff, (from).e_shoff, (from).e_phnum, (from).e_phentsize, \
                            (from).e_shnum, (from).e_shentsize}; \
  facts->machine = (from).e_machine; \
  facts->type = (from).e_type

static bool read_header(int file, struct elf_facts *facts, struct header *header)
{
  if (facts->elf_class == ELFCLASS64) {
    Elf64_Ehdr wide;
    if (!read_at(file, &wide, sizeof wide, 0))
      return false;
    COPY_HEADER(wide);
    return header->program_size == sizeof(Elf64_Phdr);
  }
  Elf32_Ehdr narrow;
  if (!read_at(file, &narrow, sizeof narrow, 0))
    return false;
  COPY_HEADER(narrow);
  return header->program_size == sizeof(Elf32_Phdr);
}

static bool read_segment(int file, const struct elf_facts *facts, uint64_t offset, struct segment *segment)
{
  if (facts->elf_class == ELFCLASS64) {
    Elf64_Phdr wide;
    if (!read_at(file, &wide, sizeof wide, offset))
      return false;
    *segment = (struct segment){wide.p_type, wide.p_offset, wide.p_filesz};
    return true;
  }
  Elf32_Phdr narrow;
  if (!read_at(file, &narrow, sizeof narrow, offset))
    return false;
  *segment = (struct segment){narrow.p_type, narrow.p_offset, narrow.p_filesz};
  return true;
}

static bool inside(uint64_t offset, uint64_t size, uint64_t file_size)
{
  return offset <= file_size && size <= file_size - offset;
}

static const char truncated[] = "is truncated";

static const char *check_tables(int file, uint64_t file_size, struct elf_facts *facts)
{
  struct header header = {0};
  if (!read_header(file, facts, &header))
    return truncated;
  bool loads = false;
  for (unsigned i = 0; i < header.program_count; i++) {
    struct segment segment;
    if (!read_segment(file, facts, header.programs + (uint64_t)i * header.program_size, &segment))
      return truncated;
    if (!inside(segment.offset, segment.size, file_size))
      return truncated;
    facts->has_loader |= segment.type == PT_INTERP;
    loads |= segment.type == PT_LOAD;
  }
  /* The table of sections is the last thing in the file: with it all is there. */
  if (!inside(header.sections, (uint64_t)header.section_count * header.section_size, file_size))
    return truncated;
  return loads ? NULL : "is no program and no library: it has nothing to load";
}

const char *elf_read_file(int file, struct elf_facts *facts)
{
  static char problem[128];
  memset(facts, 0, sizeof *facts);
  struct stat status;
  if (fstat(file, &status) != 0) {
    snprintf(problem, sizeof problem, "cannot be read: %s", strerror(errno));
    return problem;
  }
  if (!S_ISREG(status.st_mode))
    return "is not a file";
  if (status.st_size == 0)
    return "is empty";
  unsigned char ident[EI_NIDENT] = {0};
  ssize_t length = pread(file, ident, sizeof ident, 0);
  if (length < 0) {
    snprintf(problem, sizeof problem, "cannot be read: %s", strerror(errno));
    return problem;
  }
  if (memcmp(ident, ELFMAG, SELFMAG) != 0)
    return "is no ELF file";
  facts->elf_class = ident[EI_CLASS];
  facts->data = ident[EI_DATA];
  if (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64)
    return "is of an unknown ELF class";
  if (ident[EI_DATA] != OWN_ORDER)
    return "is for machines with another order of bytes";
  return check_tables(file, (uint64_t)status.st_size, facts);
}

const char *elf_read(const char *path, struct elf_facts *facts)
{
  static char problem[128];
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (file < 0) {
    if (errno == ENOENT)
      return "is missing";
    snprintf(problem, sizeof problem, "cannot be opened: %s", strerror(errno));
    return problem;
  }
  const char *result = elf_read_file(file, facts);
  close(file);
  return result;
}

bool elf_same_machine(const struct elf_facts *one, const struct elf_facts *other)
{
  return one->elf_class == other->elf_class && one->data == other->data && one->machine == other->machine;
}

const char *elf_machine_name(const struct elf_facts *facts, char *buffer, unsigned long size)
{
  static const struct { unsigned machine; const char *name; } machines[] = {
    {EM_X86_64, "x86-64"}, {EM_386, "x86"}, {EM_AARCH64, "arm64"}, {EM_ARM, "arm"}, {EM_RISCV, "riscv"},
    {EM_PPC64, "ppc64"}, {EM_S390, "s390"}, {EM_MIPS, "mips"}, {EM_PPC, "ppc"}
  };
  const char *bits = facts->elf_class == ELFCLASS64 ? "64-bit" : "32-bit";
  for (size_t i = 0; i < sizeof machines / sizeof machines[0]; i++)
    if (machines[i].machine == facts->machine) {
      snprintf(buffer, size, "%s %s", bits, machines[i].name);
      return buffer;
    }
  snprintf(buffer, size, "%s machine %u", bits, facts->machine);
  return buffer;
}
