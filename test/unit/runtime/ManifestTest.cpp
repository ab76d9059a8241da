#include "Support.h"

#include <cstdio>
#include <fstream>
#include <thread>

using namespace testing_rt;

namespace {

std::string openComplaint(const std::string &manifest) {
  treadle_rt_bundle *bundle = nullptr;
  int status = treadle_rt_open_memory(manifest.data(), manifest.size(), nullptr, 0, &bundle);
  EXPECT_EQ(bundle == nullptr, status != TREADLE_RT_OK);
  if (status == TREADLE_RT_OK) {
    treadle_rt_close(bundle);
    return "none";
  }
  EXPECT_EQ(status, TREADLE_RT_ERROR_MANIFEST);
  return treadle_rt_last_error();
}

struct Malformed {
  const char *from, *to, *message;
};

// Each replaces a part of the manifest of rms_norm.
const Malformed malformed[] = {
    {"\"format\": 1", "\"format\": 2", "$.format: expected format 1, found 2"},
    {"\"format\": 1", "\"format\": \"1\"", "$.format: expected an integer, found '1'"},
    {"\"format\": 1, ", "", "$: expected a key 'format', found none"},
    {"\"name\": \"rms_norm\"", "\"name\": \"\"", "$.name: expected a non-empty string, found ''"},
    {"\"name\": \"rms_norm\"", "\"name\": 3", "$.name: expected a non-empty string, found 3"},
    {"\"name\": \"rms_norm\", ", "", "$: expected a key 'name', found none"},
    {"\"arch\": \"sm_90a\"", "\"arch\": 90", "$.arch: expected a string, found 90"},
    {"\"params\"", "\"parameters\"", "$: expected a key 'params', found none"},
    {"\"kind\": \"scalar\"", "\"kind\": \"number\"", "$.params[2].kind: expected 'tensor' or 'scalar', found 'number'"},
    {"\"name\": \"y\"", "\"name\": \"x\"", "$.params[1].name: expected names that differ, found 'x' twice"},
    {"\"dtype\": \"bf16\"", "\"dtype\": \"f8\"",
     "$.params[0].dtype: expected one of f32 f16 bf16 i64 i32 i16 i8, found 'f8'"},
    {"\"dtype\": \"bf16\"", "\"dtype\": \"index\"",
     "$.params[0].dtype: expected one of f32 f16 bf16 i64 i32 i16 i8, found 'index'"},
    {"[\"M\", 1024]", "[\"M\", 10.5]",
     "$.params[0].shape[1]: expected an integer or a dimension's name, found the number 10.5"},
    {"[\"M\", 1024]", "[\"M\", -1]", "$.params[0].shape[1]: expected an integer of at least 0, found -1"},
    {"[\"M\", 1024]", "[\"\", 1024]", "$.params[0].shape[0]: expected a non-empty string, found ''"},
    {"[\"M\", 1024]", "\"M\"", "$.params[0].shape: expected an array, found 'M'"},
    {"[null, 1]", "[null]", "$.params[0].strides: expected an array of 2, as 'shape', found an array of 1"},
    {"[null, 1]", "[null, \"1\"]", "$.params[0].strides[1]: expected an integer or null, found '1'"},
    {"\"align\": 16", "\"align\": 12", "$.params[0].align: expected a power of two, found 12"},
    {"\"align\": 16", "\"align\": 0", "$.params[0].align: expected a power of two, found 0"},
    {"\"access\": \"read\"", "\"access\": \"r\"",
     "$.params[0].access: expected 'read', 'write' or 'readwrite', found 'r'"},
    {"1e-06", "\"small\"", "$.params[2].default: expected a number, found 'small'"},
    {"1e-06", "1e300", "$.params[2].default: expected a number that f32 can hold, found 1e+300"},
    {"\"dtype\": \"f32\"", "\"dtype\": \"i32\"", "$.params[2].default: expected an integer (i32), found 1e-06"},
    {"\"entry\": \"rms_norm\", ", "", "$.launches[0]: expected a key 'entry', found none"},
    {"[\"ceildiv\", \"M\", 4]", "[\"ceildiv\", \"K\", 4]",
     "$.launches[0].grid[0][1]: expected the name of a dimension of a tensor parameter, found 'K'"},
    {"[[\"ceildiv\", \"M\", 4], 1, 1]", "[1, 1, 1, 1]",
     "$.launches[0].grid: expected an array of 1 to 3, found an array of 4"},
    {"[[\"ceildiv\", \"M\", 4], 1, 1]", "[]", "$.launches[0].grid: expected an array of 1 to 3, found an empty array"},
    {"[128, 1, 1]", "[0, 1, 1]", "$.launches[0].block[0]: expected an integer from 1 to 1024, found 0"},
    {"[128, 1, 1]", "[128, 16, 1]", "$.launches[0].block: expected at most 1024 threads in a block, found 2048"},
    {"[128, 1, 1]", "128", "$.launches[0].block: expected an array, found 128"},
    {"\"shared_bytes\": 0", "\"shared_bytes\": -4",
     "$.launches[0].shared_bytes: expected an integer from 0 to 2147483647, found -4"},
    {"{\"pointer\": \"x\"}", "{\"pointer\": \"eps\"}",
     "$.launches[0].args[0].pointer: expected the name of a tensor parameter, found 'eps'"},
    {"{\"scalar\": \"eps\"}", "{\"scalar\": \"x\"}",
     "$.launches[0].args[5].scalar: expected the name of a scalar parameter, found 'x'"},
    {"{\"dim\": \"M\"}", "{\"dim\": \"K\"}",
     "$.launches[0].args[1].dim: expected the name of a dimension of a tensor parameter, found 'K'"},
    {"{\"dim\": \"M\"}", "{\"size\": \"M\"}",
     "$.launches[0].args[1]: expected a key 'pointer', 'dim', 'stride' or 'scalar', found 'size'"},
    {"{\"dim\": \"M\"}", "{}", "$.launches[0].args[1]: expected one key, found 0"},
    {"{\"dim\": \"M\"}", "\"M\"", "$.launches[0].args[1]: expected an object, found 'M'"},
    {"[\"x\", 0]", "[\"x\", 2]", "$.launches[0].args[2].stride[1]: expected an integer from 0 to 1, found 2"},
    {"[\"x\", 0]", "[\"x\"]", "$.launches[0].args[2].stride: expected [parameter, axis], found an array of 1"},
    {"\"arch\": \"sm_90a\"", "\"files\": {\"ptx\": \"../x.ptx\"}",
     "$.files.ptx: expected the name of a file beside the manifest, found '../x.ptx'"},
    {"\"arch\": \"sm_90a\"", "\"files\": []", "$.files: expected an object, found an empty array"},
};

TEST(Manifest, MalformedOnesNameTheFault) {
  for (const Malformed &test : malformed)
    EXPECT_EQ(openComplaint(replaced(rmsNorm, test.from, test.to)), std::string("manifest: ") + test.message);
}

TEST(Manifest, NotJson) {
  for (const char *text :
       {"", "{", "{\"format\": 1,}", "nothing", "{\"format\": 1} x", "\xff\xfe", "\"\xc3\x28\"", "[[[["})
    EXPECT_EQ(openComplaint(text).find("manifest: $: expected JSON, found a parse error"), 0u) << openComplaint(text);
}

TEST(Manifest, OtherTopLevels) {
  EXPECT_EQ(openComplaint("[]"), "manifest: $: expected an object, found an empty array");
  EXPECT_EQ(openComplaint("null"), "manifest: $: expected an object, found null");
  EXPECT_EQ(openComplaint(R"({"format": 1, "name": "k", "params": [], "launches": []})"),
            "manifest: $.launches: expected at least one launch, found an empty array");
  EXPECT_EQ(openComplaint(std::string(100000, '[')).find("manifest: $: expected JSON"), 0u);
}

TEST(Manifest, EveryTruncationIsAnErrorAndNoCrash) {
  std::string text = rmsNorm;
  for (size_t length = 0; length < text.size(); ++length)
    EXPECT_NE(openComplaint(text.substr(0, length)), "none");
}

TEST(Manifest, EveryByteChangedDoesNotCrash) {
  std::string text = rmsNorm;
  for (size_t at = 0; at < text.size(); ++at)
    for (char byte : {'0', '"', '[', '}', ',', '-', '\0', '\x80'}) {
      std::string changed = text;
      changed[at] = byte;
      treadle_rt_bundle *bundle = nullptr;
      if (treadle_rt_open_memory(changed.data(), changed.size(), nullptr, 0, &bundle) == 0)
        treadle_rt_close(bundle);
    }
}

TEST(Manifest, OptionalKeysHaveDefaults) {
  auto bundle = open(R"({"format": 1, "name": "k", "unknown": {"to": "this version"},
    "params": [{"kind": "tensor", "name": "x", "dtype": "f32", "shape": ["A", "B"]}],
    "launches": [{"entry": "k", "grid": ["A"], "block": [32], "args": [{"pointer": "x"}]}]})");
  treadle_rt_param param;
  ASSERT_EQ(treadle_rt_param_info(bundle.get(), 0, &param), 0);
  EXPECT_EQ(param.align, 4);
  EXPECT_EQ(param.access, TREADLE_RT_READ_WRITE);
  EXPECT_EQ(param.strides[0], TREADLE_RT_DYNAMIC);
  EXPECT_EQ(param.strides[1], 1);
  EXPECT_STREQ(treadle_rt_arch(bundle.get()), "");
}

TEST(Manifest, ParametersCanBeAskedFor) {
  auto bundle = open(rmsNorm);
  EXPECT_STREQ(treadle_rt_name(bundle.get()), "rms_norm");
  EXPECT_STREQ(treadle_rt_arch(bundle.get()), "sm_90a");
  ASSERT_EQ(treadle_rt_param_count(bundle.get()), 3);
  treadle_rt_param y, eps;
  ASSERT_EQ(treadle_rt_param_info(bundle.get(), 1, &y), 0);
  ASSERT_EQ(treadle_rt_param_info(bundle.get(), 2, &eps), 0);
  EXPECT_STREQ(y.name, "y");
  EXPECT_STREQ(y.dtype, "bf16");
  EXPECT_EQ(y.is_tensor, 1);
  EXPECT_EQ(y.element_bytes, 2);
  EXPECT_EQ(y.access, TREADLE_RT_WRITE);
  ASSERT_EQ(y.rank, 2);
  EXPECT_STREQ(y.dims[0], "M");
  EXPECT_EQ(y.dims[1], nullptr);
  EXPECT_EQ(y.shape[0], TREADLE_RT_DYNAMIC);
  EXPECT_EQ(y.shape[1], 1024);
  EXPECT_EQ(y.align, 16);
  EXPECT_EQ(eps.is_tensor, 0);
  EXPECT_EQ(eps.has_default, 1);
  EXPECT_EQ(eps.default_value.value.f, 1e-6);
  EXPECT_EQ(treadle_rt_param_info(bundle.get(), 3, &eps), TREADLE_RT_ERROR_USAGE);
  EXPECT_STREQ(treadle_rt_last_error(), "rms_norm: expected a parameter from 0 to 2, found 3");
}

TEST(Manifest, Files) {
  treadle_rt_bundle *bundle = nullptr;
  EXPECT_EQ(treadle_rt_open("/nowhere/k.json", &bundle), TREADLE_RT_ERROR_MANIFEST);
  EXPECT_STREQ(treadle_rt_last_error(), "/nowhere/k.json: cannot read the manifest: No such file or directory");

  std::string path = testing::TempDir() + "treadle_rt_manifest_test.json";
  std::ofstream(path) << replaced(rmsNorm, "bf16", "bf17");
  EXPECT_EQ(treadle_rt_open(path.c_str(), &bundle), TREADLE_RT_ERROR_MANIFEST);
  EXPECT_EQ(treadle_rt_last_error(),
            path + ": $.params[0].dtype: expected one of f32 f16 bf16 i64 i32 i16 i8, found 'bf17'");
  std::ofstream(path) << rmsNorm;
  EXPECT_EQ(treadle_rt_open(path.c_str(), &bundle), 0) << treadle_rt_last_error();
  treadle_rt_close(bundle);
  std::remove(path.c_str());
}

TEST(Manifest, Folders) {
  std::string folder = testing::TempDir() + "treadle_rt_XXXXXX";
  ASSERT_TRUE(mkdtemp(folder.data()));
  treadle_rt_bundle *bundle = nullptr;
  EXPECT_EQ(treadle_rt_open(folder.c_str(), &bundle), TREADLE_RT_ERROR_MANIFEST);
  EXPECT_EQ(treadle_rt_last_error(), folder + ": expected one manifest (*.json) in the folder, found none");
  std::ofstream(folder + "/rms_norm.json") << rmsNorm;
  EXPECT_EQ(treadle_rt_open(folder.c_str(), &bundle), 0) << treadle_rt_last_error();
  treadle_rt_close(bundle);
  std::ofstream(folder + "/other.json") << rmsNorm;
  EXPECT_EQ(treadle_rt_open((folder + "/").c_str(), &bundle), TREADLE_RT_ERROR_MANIFEST);
  EXPECT_EQ(treadle_rt_last_error(), folder + "/: expected one manifest (*.json) in the folder, found 2");
  for (const char *name : {"/rms_norm.json", "/other.json", ""})
    std::remove((folder + name).c_str());
}

TEST(Manifest, ImagesAreCheckedForTheirSort) {
  treadle_rt_bundle *bundle = nullptr;
  EXPECT_EQ(treadle_rt_open_memory(rmsNorm, strlen(rmsNorm), "garbage", 7, &bundle), TREADLE_RT_ERROR_MANIFEST);
  EXPECT_STREQ(treadle_rt_last_error(), "rms_norm: expected an image that is a cubin or PTX, found 7 bytes of neither");
}

TEST(Api, NullHandlesAreErrors) {
  treadle_rt_bundle *bundle = nullptr;
  treadle_rt_prepared *prepared = nullptr;
  EXPECT_EQ(treadle_rt_open(nullptr, &bundle), TREADLE_RT_ERROR_USAGE);
  EXPECT_STREQ(treadle_rt_last_error(), "expected the path of a manifest, found null");
  EXPECT_EQ(treadle_rt_open("x", nullptr), TREADLE_RT_ERROR_USAGE);
  EXPECT_EQ(treadle_rt_prepare(nullptr, nullptr, 0, &prepared), TREADLE_RT_ERROR_USAGE);
  EXPECT_EQ(treadle_rt_launch(nullptr, nullptr), TREADLE_RT_ERROR_USAGE);
  EXPECT_EQ(treadle_rt_launch_pointers(nullptr, nullptr, 0, nullptr), TREADLE_RT_ERROR_USAGE);
  EXPECT_EQ(treadle_rt_launch_count(nullptr), 0);
  EXPECT_EQ(treadle_rt_param_count(nullptr), 0);
  EXPECT_STREQ(treadle_rt_name(nullptr), "");
  treadle_rt_close(nullptr);
  treadle_rt_release(nullptr);
  treadle_rt_event_destroy(nullptr);
}

TEST(Api, ErrorsAreOfTheThread) {
  treadle_rt_bundle *bundle = nullptr;
  EXPECT_NE(treadle_rt_open(nullptr, &bundle), 0);
  std::string other = "unset";
  std::thread([&] { other = treadle_rt_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_STREQ(treadle_rt_last_error(), "expected the path of a manifest, found null");
}

} // namespace
