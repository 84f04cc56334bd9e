
:
c003/const_0Const*
dtype0*
valueB:
X
c003/opRandomUniformc003/const_0*
dtype0*
seed±ÿå)*
T0*
seed2"†