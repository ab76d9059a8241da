//===-- BuildId.cpp - which build of the compiler this is ------------------===//

#include "capi/treadle.h"

#include <elf.h>
#include <link.h>
#include <string>

// The linker's hash of the whole library (`--build-id`).
static int find(struct dl_phdr_info *info, size_t, void *into) {
  auto self = reinterpret_cast<uintptr_t>(&treadle_build_id);
  std::string id;
  bool here = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr) &segment = info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + segment.p_vaddr;
    here |= segment.p_type == PT_LOAD && self >= start && self < start + segment.p_memsz;
    if (segment.p_type != PT_NOTE)
      continue;
    for (uintptr_t at = start; at + sizeof(ElfW(Nhdr)) <= start + segment.p_memsz;) {
      auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
      uintptr_t name = at + sizeof(*note), data = name + ((note->n_namesz + 3) & ~3u);
      if (note->n_type == NT_GNU_BUILD_ID)
        for (unsigned byte = 0; byte < note->n_descsz; ++byte) {
          static constexpr char digits[] = "0123456789abcdef";
          auto value = reinterpret_cast<const unsigned char *>(data)[byte];
          id += {digits[value >> 4], digits[value & 15]};
        }
      at = data + ((note->n_descsz + 3) & ~3u);
    }
  }
  if (here)
    *static_cast<std::string *>(into) = id;
  return here;
}

const char *treadle_build_id(void) {
  static const std::string id = [] {
    std::string text;
    dl_iterate_phdr(find, &text);
    return text.empty() ? std::string("unknown") : text;
  }();
  return id.c_str();
}
