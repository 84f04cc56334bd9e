# Tests of the house itself: floors, names, headers, installation.
file(GLOB_RECURSE floor_files CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}
  ${CMAKE_SOURCE_DIR}/src/*.c ${CMAKE_SOURCE_DIR}/src/*.h ${CMAKE_SOURCE_DIR}/include/evenkeel/*.h)
add_test(NAME house.floors COMMAND awk -f tools/check_floors.awk ${floor_files} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
add_test(NAME house.floors_are_guarded
  COMMAND sh ${CMAKE_SOURCE_DIR}/tools/check_floors_test.sh ${CMAKE_SOURCE_DIR}/tools/check_floors.awk)

# A kernel's object may export nothing but its level's names: a helper emitted twice would run on the wrong processor.
if(TARGET ek_kernels_base AND NOT EK_SANITIZE AND NOT EK_FUZZ)
  foreach(level ${EK_KERNEL_LEVELS})
    add_test(NAME house.kernel_names_${level}
      COMMAND sh ${CMAKE_SOURCE_DIR}/tools/check_kernel_names.sh ${level} $<TARGET_OBJECTS:ek_kernels_${level}>
      COMMAND_EXPAND_LISTS)
  endforeach()
endif()

# Every public header stands alone, in C11 and in C++17, without a warning.
file(GLOB public_headers CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/include/evenkeel/*.h)
set(standalone_dir ${CMAKE_BINARY_DIR}/standalone)
foreach(header ${public_headers})
  get_filename_component(stem ${header} NAME_WE)
  foreach(suffix c cc)
    file(CONFIGURE OUTPUT ${standalone_dir}/${stem}.${suffix} CONTENT "#include \"evenkeel/${stem}.h\"\n")
    list(APPEND standalone ${standalone_dir}/${stem}.${suffix})
  endforeach()
endforeach()
add_library(ek_standalone OBJECT ${standalone})
target_link_libraries(ek_standalone PRIVATE ek_options)
target_compile_options(ek_standalone PRIVATE -Werror)

if(NOT EK_SANITIZE AND NOT EK_FUZZ)
  add_test(NAME house.install COMMAND ${CMAKE_COMMAND} -DBUILD=${CMAKE_BINARY_DIR} -DSOURCE=${CMAKE_CURRENT_LIST_DIR}/install
    -DWORK=${CMAKE_BINARY_DIR}/install-test -DCC=${CMAKE_C_COMPILER} -DCXX=${CMAKE_CXX_COMPILER}
    -DREADME=${CMAKE_SOURCE_DIR}/README.md -P ${CMAKE_CURRENT_LIST_DIR}/install/install_test.cmake)
endif()

# The C++ face, as a user compiles it.
add_executable(test_cxx_evenkeel ${CMAKE_CURRENT_LIST_DIR}/cxx/evenkeel_test.cc)
target_link_libraries(test_cxx_evenkeel PRIVATE ek_options evenkeel_shared)
target_compile_definitions(test_cxx_evenkeel PRIVATE EK_SOURCE_DIR="${CMAKE_SOURCE_DIR}" EK_BUILD_DIR="${CMAKE_BINARY_DIR}")
set_target_properties(test_cxx_evenkeel PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests/cxx OUTPUT_NAME evenkeel)
add_test(NAME cxx.evenkeel COMMAND test_cxx_evenkeel)

# The shared library shows what the headers declare and nothing else.
if(NOT EK_SANITIZE AND NOT EK_FUZZ)
  add_test(NAME house.exported_names COMMAND sh ${CMAKE_SOURCE_DIR}/tools/check_exports.sh ${CMAKE_C_COMPILER}
    $<TARGET_FILE:evenkeel_shared> ${CMAKE_SOURCE_DIR}/include)
endif()
