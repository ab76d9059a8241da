//===-- Derivation.h - how a kernel was derived, for people ----*- C++ -*-===//
#ifndef TREADLE_LIB_TREADLE_TRANSFORMS_DERIVATION_H
#define TREADLE_LIB_TREADLE_TRANSFORMS_DERIVATION_H

#include "Chunk.h"

namespace treadle {

/// Kernels have this as `treadle.derivation`; it becomes part of the manifest.
mlir::DictionaryAttr derivationInChunks(const Mixer &mixer, const NormalForm &form,
                                        const ChunkKernel::Schedule &schedule,
                                        llvm::function_ref<ChunkKernel::Weights(const StateForm &)> weights);
mlir::DictionaryAttr derivationByTokens(const NormalForm::Obstacle &why);

} // namespace treadle

#endif
