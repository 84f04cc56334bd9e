# The examples are programs that end with 0 when what they show is right.
foreach(example article convnet digits mlp_regression serve)
  add_test(NAME examples.${example} COMMAND example_${example} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(examples.${example} PROPERTIES TIMEOUT 120)
endforeach()
add_test(NAME examples.paper_mnist COMMAND example_paper_mnist digits 1000 ${CMAKE_BINARY_DIR}/paper_mnist WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(examples.paper_mnist PROPERTIES TIMEOUT 120)
