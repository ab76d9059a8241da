// Mutations of text by its tokens and lines, beside libFuzzer's of its bytes: most of what they make still parses.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace {
struct Span {
  size_t begin, size;
  char kind; ///< tokens of one kind may stand for each other
};

bool isWord(char c) { return isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '.' || c == '$'; }

std::vector<Span> tokens(const std::string &text) {
  std::vector<Span> found;
  for (size_t at = 0; at < text.size();) {
    size_t begin = at++;
    char first = text[begin];
    if (isspace(static_cast<unsigned char>(first)) != 0)
      continue;
    bool isName = strchr("%@#!^", first) != nullptr && first != 0;
    if (isName || isWord(first))
      while (at < text.size() && isWord(text[at]))
        ++at;
    char kind = isName ? first : isdigit(static_cast<unsigned char>(first)) != 0 ? '0' : isWord(first) ? 'a' : ' ';
    found.push_back({begin, at - begin, kind});
  }
  return found;
}

std::vector<Span> lines(const std::string &text) {
  std::vector<Span> found;
  for (size_t begin = 0; begin < text.size();) {
    size_t end = std::min(text.find('\n', begin), text.size() - 1) + 1;
    found.push_back({begin, end - begin, '\n'});
    begin = end;
  }
  return found;
}

using Random = std::minstd_rand;

const Span &pick(Random &random, const std::vector<Span> &spans) { return spans[random() % spans.size()]; }

/// Another span of the kind, or the same one when chance does not find another.
Span pickLike(Random &random, const std::vector<Span> &spans, const Span &like) {
  for (int tries = 0; tries < 16; ++tries)
    if (const Span &other = pick(random, spans); other.kind == like.kind && other.begin != like.begin)
      return other;
  return like;
}

std::string mutate(const std::string &text, Random &random) {
  static const char *const numbers[] = {"0", "1", "2", "3", "8", "31", "32", "64", "4294967296", "-1", "0x7FC0", "1.5"};
  std::string result = text;
  std::vector<Span> spans = random() % 3 == 0 ? lines(text) : tokens(text);
  Span chosen = pick(random, spans), other = pickLike(random, spans, chosen);
  switch (random() % 5) {
  case 0:
    return result.erase(chosen.begin, chosen.size);
  case 1:
    return result.insert(chosen.begin, text, other.begin, other.size);
  case 2:
    if (chosen.kind == '0')
      return result.replace(chosen.begin, chosen.size, numbers[random() % std::size(numbers)]);
    [[fallthrough]];
  case 3:
    return result.replace(chosen.begin, chosen.size, text, other.begin, other.size);
  default:
    if (chosen.begin > other.begin)
      std::swap(chosen, other);
    result.replace(other.begin, other.size, text, chosen.begin, chosen.size);
    return result.replace(chosen.begin, chosen.size, text, other.begin, other.size);
  }
}

size_t put(const std::string &text, uint8_t *out, size_t maxSize) {
  size_t size = std::min(text.size(), maxSize);
  std::copy_n(text.begin(), size, out);
  return size;
}

std::string toText(const uint8_t *data, size_t size) { return {reinterpret_cast<const char *>(data), size}; }
} // namespace

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t maxSize, unsigned seed) {
  Random random(seed);
  std::string text = toText(data, size);
  if (random() % 2 == 0 || tokens(text).empty())
    return LLVMFuzzerMutate(data, size, maxSize);
  for (unsigned left = 1 + random() % 4; left != 0 && !tokens(text).empty(); --left)
    text = mutate(text, random);
  return put(text, data, maxSize);
}

/// Some lines of one text inside the other.
extern "C" size_t LLVMFuzzerCustomCrossOver(const uint8_t *data1, size_t size1, const uint8_t *data2, size_t size2,
                                            uint8_t *out, size_t maxSize, unsigned seed) {
  Random random(seed);
  std::string into = toText(data1, size1), from = toText(data2, size2);
  if (into.empty() || from.empty())
    return put(into + from, out, maxSize);
  Span first = pick(random, lines(from)), place = pick(random, lines(into));
  Span last = pick(random, lines(from));
  size_t end = std::max(first.begin + first.size, last.begin + last.size);
  return put(into.insert(place.begin, from, first.begin, end - first.begin), out, maxSize);
}
