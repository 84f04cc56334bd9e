# Transcripts of the command: tests/cli/<name>.txt holds commands and exactly what they print and return.
if(TARGET evenkeel)
  file(GLOB transcripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/cli/*.txt)
  foreach(transcript ${transcripts})
    get_filename_component(name ${transcript} NAME_WE)
    add_test(NAME cli.${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      COMMAND sh -c "sh tests/cli/transcript.sh $1 $2 > $3 && diff -u $2 $3" -- $<TARGET_FILE_DIR:evenkeel> ${transcript}
      ${CMAKE_BINARY_DIR}/cli_${name}.txt)
  endforeach()
endif()
