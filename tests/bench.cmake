# Benchmarks: their form, not their figures.
if(NOT EK_SANITIZE AND NOT EK_FUZZ)
  set(figure "=[0-9.]+")
  string(CONCAT result "RESULT resnet_forward${figure} resnet_backward${figure} resnet_inference${figure} cifar${figure} "
    "mlp_forward${figure} mlp_backward${figure} skinny${figure} smallest${figure} best_layout${figure} limit${figure}\n$")
  add_test(NAME bench.batch_norm COMMAND bench_batch_norm --quick)
  set_tests_properties(bench.batch_norm PROPERTIES TIMEOUT 300 PASS_REGULAR_EXPRESSION "${result}")
endif()
