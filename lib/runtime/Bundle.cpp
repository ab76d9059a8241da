#include "Bundle.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <dirent.h>

namespace treadle::rt {

namespace {

struct FileCloser {
  void operator()(std::FILE *file) const { std::fclose(file); }
};

// The contents of a file, or the errno of the failure.
int readFile(const std::string &path, std::string &contents) {
  std::unique_ptr<std::FILE, FileCloser> file(std::fopen(path.c_str(), "rb"));
  if (!file)
    return errno;
  contents.clear();
  char buffer[1 << 14];
  while (size_t count = std::fread(buffer, 1, sizeof buffer, file.get()))
    contents.append(buffer, count);
  return std::ferror(file.get()) ? (errno ? errno : EIO) : 0;
}

struct FolderCloser {
  void operator()(DIR *folder) const { closedir(folder); }
};

// The manifest's path: the path itself, or that of the one *.json in the folder it names.
std::string findManifest(const std::string &path) {
  std::unique_ptr<DIR, FolderCloser> folder(opendir(path.c_str()));
  if (!folder)
    return path;
  std::string found;
  int count = 0;
  while (const dirent *entry = readdir(folder.get())) {
    std::string_view name = entry->d_name;
    if (name.size() <= 5 || name[0] == '.' || name.substr(name.size() - 5) != ".json")
      continue;
    found = cat(path, path.back() == '/' ? "" : "/", name);
    ++count;
  }
  if (count != 1)
    fail(TREADLE_RT_ERROR_MANIFEST, path, ": expected one manifest (*.json) in the folder, found ",
         count ? cat(count) : "none");
  return found;
}

bool isBinaryImage(std::string_view image) {
  constexpr std::string_view elf = "\x7f"
                                   "ELF",
                             fatbin = "\x50\xed\x55\xba";
  return image.substr(0, 4) == elf || image.substr(0, 4) == fatbin;
}

} // namespace

void Bundle::addImage(std::string_view image) {
  if (isBinaryImage(image)) {
    cubin = image;
    return;
  }
  // A final NUL may be counted in the length; the driver reads PTX up to it.
  while (!image.empty() && image.back() == '\0')
    image.remove_suffix(1);
  if (image.find(".version") == std::string_view::npos)
    fail(TREADLE_RT_ERROR_MANIFEST, manifest.name, ": expected an image that is a cubin or PTX, found ", image.size(),
         " bytes of neither");
  ptx = image;
}

std::shared_ptr<Bundle> Bundle::openMemory(std::string_view manifest) {
  return std::make_shared<Bundle>(Manifest::parse(manifest, "manifest"));
}

std::shared_ptr<Bundle> Bundle::openFile(const std::string &given) {
  std::string path = findManifest(given), text;
  if (int error = readFile(path, text))
    fail(TREADLE_RT_ERROR_MANIFEST, path, ": cannot read the manifest: ", std::strerror(error));
  auto bundle = std::make_shared<Bundle>(Manifest::parse(text, path));
  size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  for (const auto &file : {bundle->manifest.cubinFile, bundle->manifest.ptxFile})
    if (file && readFile(folder + *file, text) == 0)
      bundle->addImage(text);
  return bundle;
}

} // namespace treadle::rt
