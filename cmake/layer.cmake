# layer(<folder> USES <layers...> LINKS <libraries...>)
#
# Makes a static library of every .cpp under <folder>. Its include root is a folder of the build tree
# that holds one symbolic link, <folder> itself, so an include of a layer that is not used fails at
# its #include line. A cycle fails at configure (GLOBAL_DEPENDS_NO_CYCLES). A .cpp in no target is
# an error of finish_layers().
set_property(GLOBAL PROPERTY MILLRACE_CLAIMED "")

function(_target_of folder out)
  string(REPLACE "/" "_" name ${folder})
  set(${out} ${name} PARENT_SCOPE)
endfunction()

function(_show folder root)
  get_filename_component(parent ${root}/${folder} DIRECTORY)
  file(MAKE_DIRECTORY ${parent})
  if(NOT IS_SYMLINK ${root}/${folder})
    file(CREATE_LINK ${CMAKE_SOURCE_DIR}/${folder} ${root}/${folder} SYMBOLIC)
  endif()
endfunction()

function(layer folder)
  cmake_parse_arguments(L "" "" "USES;LINKS" ${ARGN})
  _target_of(${folder} target)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cpp)
  list(FILTER sources EXCLUDE REGEX "/main\\.cpp$")
  set_property(GLOBAL APPEND PROPERTY MILLRACE_CLAIMED ${sources})
  set(root ${CMAKE_BINARY_DIR}/roots/${target})
  _show(${folder} ${root})
  if(sources)
    add_library(${target} STATIC ${sources})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE ${L_LINKS})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(${target} ${scope} ${root})
  foreach(used ${L_USES})
    _target_of(${used} used_target)
    if(NOT TARGET ${used_target})
      message(FATAL_ERROR "layer ${folder} USES ${used}, which is not declared above it")
    endif()
    target_link_libraries(${target} ${scope} ${used_target})
  endforeach()
endfunction()

# thrift_interface(<layer> <file.thrift>): generates the types of an interface into the build tree and compiles
# them into the layer, the only one that sees them.
function(thrift_interface folder file)
  _target_of(${folder} target)
  get_filename_component(name ${file} NAME_WE)
  set(root ${CMAKE_BINARY_DIR}/thrift/${target})
  set(out ${root}/${folder})
  file(MAKE_DIRECTORY ${out})
  find_program(THRIFT_COMPILER thrift REQUIRED)
  add_custom_command(
    OUTPUT ${out}/${name}_types.cpp ${out}/${name}_types.h
    COMMAND ${THRIFT_COMPILER} --gen cpp:no_skeleton -out ${out} ${CMAKE_SOURCE_DIR}/${file}
    DEPENDS ${CMAKE_SOURCE_DIR}/${file})
  target_sources(${target} PRIVATE ${out}/${name}_types.cpp ${out}/${name}_types.h)
  target_include_directories(${target} PRIVATE ${root} ${out})
endfunction()

# program(<name> <main.cpp> USES <layers...>)
function(program name main)
  cmake_parse_arguments(P "" "" "USES" ${ARGN})
  if(NOT EXISTS ${CMAKE_SOURCE_DIR}/${main})
    return()
  endif()
  add_executable(${name} ${CMAKE_SOURCE_DIR}/${main})
  set_property(GLOBAL APPEND PROPERTY MILLRACE_CLAIMED ${CMAKE_SOURCE_DIR}/${main})
  foreach(used ${P_USES})
    _target_of(${used} used_target)
    target_link_libraries(${name} PRIVATE ${used_target})
  endforeach()
endfunction()

# Every .cpp of the tree must belong to a target: a test that is not built can't fail.
function(finish_layers)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/runtime/*.cpp ${CMAKE_SOURCE_DIR}/operators/*.cpp
       ${CMAKE_SOURCE_DIR}/connectors/*.cpp ${CMAKE_SOURCE_DIR}/state/*.cpp ${CMAKE_SOURCE_DIR}/jobs/*.cpp)
  if(MILLRACE_TESTS)
    file(GLOB_RECURSE tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*.cpp)
    list(APPEND all ${tests})
  endif()
  get_property(claimed GLOBAL PROPERTY MILLRACE_CLAIMED)
  list(REMOVE_ITEM all ${claimed})
  if(all)
    message(FATAL_ERROR "these files are in no target: ${all}")
  endif()
endfunction()
