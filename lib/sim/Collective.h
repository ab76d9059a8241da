// What the instructions of whole warps share.
#pragma once

#include "Program.h"

namespace treadle::sim {

template <class F> void forEachLane(Mask lanes, F f) {
  for (; lanes; lanes &= lanes - 1)
    f(__builtin_ctz(lanes));
}

// An instruction that the machine cannot go on with, or whose result is undefined. what: "shuffles from lane 3, ...".
void reportInvalid(Warp &warp, const Op &op, int lane, const std::string &what);

// For what only a whole warp may execute: reports an `active` that is not all of its 32 lanes.
void expectAllLanes(Warp &warp, const Op &op, Mask active);

bool decodeMma(Decoder &decoder, Op &op);

} // namespace treadle::sim
