# How every target of the project is compiled, and how a room is declared.

add_library(sandstone_options INTERFACE)
target_compile_options(sandstone_options INTERFACE
  -Wall -Wextra -Werror -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wconversion -Wno-sign-conversion
  -Wno-missing-field-initializers $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>  # restrict: false alarms of GCC 12 (its PR 105651)
  -fstack-protector-strong -fno-strict-aliasing)
target_compile_definitions(sandstone_options INTERFACE _GNU_SOURCE)
target_include_directories(sandstone_options INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>)
if(SANDSTONE_SANITIZE)
  target_compile_options(sandstone_options INTERFACE
    -fsanitize=${SANDSTONE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(sandstone_options INTERFACE -fsanitize=${SANDSTONE_SANITIZE})
endif()
target_link_libraries(sandstone_options INTERFACE fmt::fmt-header-only Threads::Threads)

# sandstone_room(NAME file...): the objects of one room, which libsandstone.a collects.
function(sandstone_room name)
  add_library(sandstone_${name} OBJECT ${ARGN})
  target_link_libraries(sandstone_${name} PUBLIC sandstone_options)
  set_property(GLOBAL APPEND PROPERTY SANDSTONE_ROOMS sandstone_${name})
endfunction()
