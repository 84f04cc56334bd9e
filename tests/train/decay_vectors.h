/* Made by tools/make_decay_vectors.py from TensorFlow 2.15.1. */
{ "exponential",
  "ExponentialDecay/initial_learning_rate ExponentialDecay/Cast/x ExponentialDecay/Cast "
  "ExponentialDecay/Cast_1/x ExponentialDecay/Cast_2 ExponentialDecay/truediv ExponentialDecay/Pow "
  "ExponentialDecay",
  { 0.100000001, 0.0999591872, 0.0985009372, 0.0960391983, 0.0960000008, 0.0959608182, 0.0902979895, 0.075144738 } },
{ "staircase",
  "rate/initial_learning_rate rate/Cast/x rate/Cast rate/Cast_1/x rate/Cast_2 rate/truediv rate/Floor "
  "rate/Pow rate",
  { 0.100000001, 0.100000001, 0.100000001, 0.100000001, 0.0960000008, 0.0960000008, 0.0921600014, 0.075144738 } },
{ "natural_exp",
  "Neg/x Neg Exp ExponentialDecay/initial_learning_rate ExponentialDecay/Cast/x ExponentialDecay/Cast "
  "ExponentialDecay/Cast_1 ExponentialDecay/truediv ExponentialDecay/Pow ExponentialDecay",
  { 0.100000001, 0.0995012447, 0.0831104293, 0.0609570928, 0.0606530681, 0.0603505634, 0.0286504813, 0.00301973871 } },
{ "inverse_time",
  "InverseTimeDecay/initial_learning_rate InverseTimeDecay/Cast/x InverseTimeDecay/Cast "
  "InverseTimeDecay/Cast_1/x InverseTimeDecay/Cast_2 InverseTimeDecay/truediv InverseTimeDecay/Const "
  "InverseTimeDecay/Cast_3 InverseTimeDecay/Mul InverseTimeDecay/Add InverseTimeDecay",
  { 0.100000001, 0.099502489, 0.084388189, 0.0668896362, 0.0666666701, 0.0664451867, 0.0444444455, 0.0222222228 } },
{ "polynomial",
  "PolynomialDecay/initial_learning_rate PolynomialDecay/Cast/x PolynomialDecay/Cast_1/x "
  "PolynomialDecay/Cast_2 PolynomialDecay/Cast_3/x PolynomialDecay/Cast_3 PolynomialDecay/Minimum "
  "PolynomialDecay/truediv PolynomialDecay/sub PolynomialDecay/sub_1/x PolynomialDecay/sub_1 "
  "PolynomialDecay/Pow PolynomialDecay/Mul PolynomialDecay",
  { 0.100000001, 0.0995488688, 0.0814352855, 0.0190000236, 0.00999999978, 0.00999999978, 0.00999999978, 0.00999999978 } },
{ "cycle",
  NULL,
  { 0.100000001, 0.0982090011, 0.0457210019, 0.0100090001, 0.00999999978, 0.0320522487, 0.0125000002, 0.00999999978 } },
{ "cosine",
  "CosineDecay/initial_learning_rate CosineDecay/Cast/x CosineDecay/Cast CosineDecay/Cast_1 "
  "CosineDecay/Minimum CosineDecay/truediv CosineDecay/Const CosineDecay/mul CosineDecay/Cos "
  "CosineDecay/add/x CosineDecay/add CosineDecay/mul_1/x CosineDecay/mul_1 CosineDecay/mul_2/x "
  "CosineDecay/mul_2 CosineDecay/add_1/y CosineDecay/add_1 CosineDecay/Mul_3",
  { 0.100000001, 0.0999777913, 0.0728716478, 0.0100222062, 0.0100000007, 0.0100000007, 0.0100000007, 0.0100000007 } },
{ "restarts",
  "SGDRDecay/initial_learning_rate SGDRDecay/Cast/x SGDRDecay/Cast SGDRDecay/Cast_1/x "
  "SGDRDecay/Cast_2/x SGDRDecay/Cast_3/x SGDRDecay/Cast_4 SGDRDecay/truediv SGDRDecay/Equal/y "
  "SGDRDecay/Equal SGDRDecay/cond/Switch SGDRDecay/cond/switch_t SGDRDecay/cond/switch_f "
  "SGDRDecay/cond/pred_id SGDRDecay/cond/Floor SGDRDecay/cond/Floor/Switch SGDRDecay/cond/sub "
  "SGDRDecay/cond/sub_1/x SGDRDecay/cond/sub_1 SGDRDecay/cond/sub_1/Switch SGDRDecay/cond/mul "
  "SGDRDecay/cond/mul/Switch SGDRDecay/cond/sub_2/x SGDRDecay/cond/sub_2 SGDRDecay/cond/Log "
  "SGDRDecay/cond/Log_1 SGDRDecay/cond/truediv SGDRDecay/cond/Floor_1 SGDRDecay/cond/pow "
  "SGDRDecay/cond/sub_3/x SGDRDecay/cond/sub_3 SGDRDecay/cond/sub_4/x SGDRDecay/cond/sub_4 "
  "SGDRDecay/cond/truediv_1 SGDRDecay/cond/sub_5 SGDRDecay/cond/pow_1 SGDRDecay/cond/truediv_2 "
  "SGDRDecay/cond/Merge SGDRDecay/cond/Merge_1 SGDRDecay/pow SGDRDecay/mul/x SGDRDecay/mul "
  "SGDRDecay/Const SGDRDecay/mul_1 SGDRDecay/Cos SGDRDecay/add/x SGDRDecay/add SGDRDecay/mul_2 "
  "SGDRDecay/sub/x SGDRDecay/sub SGDRDecay/mul_3 SGDRDecay/add_1 SGDRDecay",
  { 0.100000001, 0.0999753252, 0.0698573962, 2.46733434e-05, 0.0500000007, 0.0499969162, 0.00732233096, 0.0125000002 } },
{ "equal_restarts",
  "SGDRDecay/initial_learning_rate SGDRDecay/Cast/x SGDRDecay/Cast SGDRDecay/Cast_1/x "
  "SGDRDecay/Cast_2/x SGDRDecay/Cast_3/x SGDRDecay/Cast_4 SGDRDecay/truediv SGDRDecay/Equal/y "
  "SGDRDecay/Equal SGDRDecay/cond/Switch SGDRDecay/cond/switch_t SGDRDecay/cond/switch_f "
  "SGDRDecay/cond/pred_id SGDRDecay/cond/Floor SGDRDecay/cond/Floor/Switch SGDRDecay/cond/sub "
  "SGDRDecay/cond/sub_1/x SGDRDecay/cond/sub_1 SGDRDecay/cond/sub_1/Switch SGDRDecay/cond/mul "
  "SGDRDecay/cond/mul/Switch SGDRDecay/cond/sub_2/x SGDRDecay/cond/sub_2 SGDRDecay/cond/Log "
  "SGDRDecay/cond/Log_1 SGDRDecay/cond/truediv SGDRDecay/cond/Floor_1 SGDRDecay/cond/pow "
  "SGDRDecay/cond/sub_3/x SGDRDecay/cond/sub_3 SGDRDecay/cond/sub_4/x SGDRDecay/cond/sub_4 "
  "SGDRDecay/cond/truediv_1 SGDRDecay/cond/sub_5 SGDRDecay/cond/pow_1 SGDRDecay/cond/truediv_2 "
  "SGDRDecay/cond/Merge SGDRDecay/cond/Merge_1 SGDRDecay/pow SGDRDecay/mul/x SGDRDecay/mul "
  "SGDRDecay/Const SGDRDecay/mul_1 SGDRDecay/Cos SGDRDecay/add/x SGDRDecay/add SGDRDecay/mul_2 "
  "SGDRDecay/sub/x SGDRDecay/sub SGDRDecay/mul_3 SGDRDecay/add_1 SGDRDecay",
  { 0.100000001, 0.0999802575, 0.0758859143, 0.020019738, 0.100000001, 0.0999802575, 0.0599999987, 0.100000001 } },
{ "two_pieces",
  "Const Const_1 Const_2 Cast PiecewiseConstant/LessEqual PiecewiseConstant/Greater "
  "PiecewiseConstant/case/preds_c PiecewiseConstant/case/Cast PiecewiseConstant/case/Const "
  "PiecewiseConstant/case/num_true_conds PiecewiseConstant/case/n_true_conds "
  "PiecewiseConstant/case/LessEqual PiecewiseConstant/case/Assert/Const "
  "PiecewiseConstant/case/Assert/AssertGuard/Switch PiecewiseConstant/case/Assert/AssertGuard/switch_t "
  "PiecewiseConstant/case/Assert/AssertGuard/switch_f "
  "PiecewiseConstant/case/Assert/AssertGuard/pred_id PiecewiseConstant/case/Assert/AssertGuard/NoOp "
  "PiecewiseConstant/case/Assert/AssertGuard/control_dependency "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert/data_0 "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert/Switch "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert/Switch_1 "
  "PiecewiseConstant/case/Assert/AssertGuard/control_dependency_1 "
  "PiecewiseConstant/case/Assert/AssertGuard/Merge PiecewiseConstant/case/cond/Switch "
  "PiecewiseConstant/case/cond/switch_t PiecewiseConstant/case/cond/switch_f "
  "PiecewiseConstant/case/cond/pred_id PiecewiseConstant/case/cond/Switch_1 "
  "PiecewiseConstant/case/cond/cond/Switch PiecewiseConstant/case/cond/cond/Switch/Switch "
  "PiecewiseConstant/case/cond/cond/switch_t PiecewiseConstant/case/cond/cond/switch_f "
  "PiecewiseConstant/case/cond/cond/pred_id PiecewiseConstant/case/cond/cond/Switch_1 "
  "PiecewiseConstant/case/cond/cond/Switch_2 PiecewiseConstant/case/cond/cond/Switch_3 "
  "PiecewiseConstant/case/cond/cond/Switch_4 PiecewiseConstant/case/cond/cond/Merge "
  "PiecewiseConstant/case/cond/Merge",
  { 0.100000001, 0.100000001, 0.100000001, 0.100000001, 0.100000001, 0.0500000007, 0.0500000007, 0.0500000007 } },
{ "four_pieces",
  "Const Const_1 Const_2 Const_3 Const_4 Const_5 Const_6 Cast Cast_1 Cast_2 "
  "PiecewiseConstant/LessEqual PiecewiseConstant/Greater PiecewiseConstant/Greater_1 "
  "PiecewiseConstant/LessEqual_1 PiecewiseConstant/and PiecewiseConstant/Greater_2 "
  "PiecewiseConstant/LessEqual_2 PiecewiseConstant/and_1 PiecewiseConstant/case/preds_c "
  "PiecewiseConstant/case/Cast PiecewiseConstant/case/Const PiecewiseConstant/case/num_true_conds "
  "PiecewiseConstant/case/n_true_conds PiecewiseConstant/case/LessEqual "
  "PiecewiseConstant/case/Assert/Const PiecewiseConstant/case/Assert/AssertGuard/Switch "
  "PiecewiseConstant/case/Assert/AssertGuard/switch_t "
  "PiecewiseConstant/case/Assert/AssertGuard/switch_f "
  "PiecewiseConstant/case/Assert/AssertGuard/pred_id PiecewiseConstant/case/Assert/AssertGuard/NoOp "
  "PiecewiseConstant/case/Assert/AssertGuard/control_dependency "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert/data_0 "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert/Switch "
  "PiecewiseConstant/case/Assert/AssertGuard/Assert/Switch_1 "
  "PiecewiseConstant/case/Assert/AssertGuard/control_dependency_1 "
  "PiecewiseConstant/case/Assert/AssertGuard/Merge PiecewiseConstant/case/cond/Switch "
  "PiecewiseConstant/case/cond/switch_t PiecewiseConstant/case/cond/switch_f "
  "PiecewiseConstant/case/cond/pred_id PiecewiseConstant/case/cond/Switch_1 "
  "PiecewiseConstant/case/cond/cond/Switch PiecewiseConstant/case/cond/cond/Switch/Switch "
  "PiecewiseConstant/case/cond/cond/switch_t PiecewiseConstant/case/cond/cond/switch_f "
  "PiecewiseConstant/case/cond/cond/pred_id PiecewiseConstant/case/cond/cond/Switch_1 "
  "PiecewiseConstant/case/cond/cond/Switch_2 PiecewiseConstant/case/cond/cond/cond/Switch "
  "PiecewiseConstant/case/cond/cond/cond/Switch/Switch "
  "PiecewiseConstant/case/cond/cond/cond/Switch/Switch_1 "
  "PiecewiseConstant/case/cond/cond/cond/switch_t PiecewiseConstant/case/cond/cond/cond/switch_f "
  "PiecewiseConstant/case/cond/cond/cond/pred_id PiecewiseConstant/case/cond/cond/cond/Switch_1 "
  "PiecewiseConstant/case/cond/cond/cond/Switch_2 PiecewiseConstant/case/cond/cond/cond/Switch_3 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch/Switch "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch/Switch_1 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch/Switch_2 "
  "PiecewiseConstant/case/cond/cond/cond/cond/switch_t "
  "PiecewiseConstant/case/cond/cond/cond/cond/switch_f "
  "PiecewiseConstant/case/cond/cond/cond/cond/pred_id "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_1 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_2 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_3 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_4 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_5 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_6 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_7 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Switch_8 "
  "PiecewiseConstant/case/cond/cond/cond/cond/Merge PiecewiseConstant/case/cond/cond/cond/Merge "
  "PiecewiseConstant/case/cond/cond/Merge PiecewiseConstant/case/cond/Merge",
  { 0.100000001, 0.100000001, 0.100000001, 0.0500000007, 0.0500000007, 0.00999999978, 0.00999999978, 0.00100000005 } },
