# Transcripts of the command: tests/cli/<name>.txt holds commands and exactly what they print and return.
if(TARGET evenkeel)
  file(GLOB transcripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/cli/*.txt)
  foreach(transcript ${transcripts})
    get_filename_component(name ${transcript} NAME_WE)
    add_test(NAME cli.${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      COMMAND sh -c "sh tests/cli/transcript.sh $1 $2 > $3 && diff -u $2 $3" -- $<TARGET_FILE_DIR:evenkeel> ${transcript}
      ${CMAKE_BINARY_DIR}/cli_${name}.txt)
  endforeach()
  foreach(name completion manual)
    add_test(NAME cli.${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      COMMAND sh tests/cli/${name}.sh $<TARGET_FILE_DIR:evenkeel>)
    set_tests_properties(cli.${name} PROPERTIES SKIP_RETURN_CODE 77)
  endforeach()
endif()

# Training is killed and resumed; EK_KILL_ROUNDS in the environment says how often.
add_test(NAME cli.train_kill COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/cli/train_kill.sh $<TARGET_FILE_DIR:evenkeel>)
set_tests_properties(cli.train_kill PROPERTIES TIMEOUT 1200)

# A sanitizer has an allocator of its own, which must come first.
if(NOT EK_SANITIZE AND NOT EK_FUZZ)
  add_library(cli_no_memory MODULE ${CMAKE_CURRENT_LIST_DIR}/cli/shim/no_memory.c)
  target_link_libraries(cli_no_memory PRIVATE ek_options ${CMAKE_DL_LIBS})
  add_test(NAME cli.no_memory COMMAND sh ${CMAKE_CURRENT_LIST_DIR}/cli/no_memory.sh $<TARGET_FILE_DIR:evenkeel>
           $<TARGET_FILE:cli_no_memory> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(cli.no_memory PROPERTIES TIMEOUT 300)
endif()
