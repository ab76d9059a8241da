// Element and scalar types of a manifest.
#pragma once

#include "treadle_rt.h"

#include <optional>
#include <string>
#include <string_view>

namespace treadle::rt {

enum class DType : uint8_t { F32, F16, BF16, I64, I32, I16, I8, Index };

const char *dtypeName(DType type);
int dtypeBytes(DType type);
bool dtypeIsFloat(DType type);
std::optional<DType> dtypeFromName(std::string_view name);

// Whether a DLPack element type is this one, and how messages call a DLPack element type: "f32", "u8", "c64".
bool dtypeMatches(DType type, const treadle_rt_tensor &tensor);
std::string dlpackTypeName(const treadle_rt_tensor &tensor);

// The bits of a scalar of this type in the low bytes of the result; the high bytes are zero. A number the type cannot
// hold throws an Error whose message is the complaint alone: "expected ..., found ...".
uint64_t encodeScalar(DType type, const treadle_rt_arg &arg);

} // namespace treadle::rt
