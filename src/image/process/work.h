// The image process's work: from a request to an image in kOutput.
#pragma once

#include "image/wire.h"

namespace sandstone::image {

Result<ImageSummary> carry_out(const ImageRequest& request);

}  // namespace sandstone::image
