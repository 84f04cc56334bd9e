
9
c003/in0Placeholder*
dtype0*
shape
:
%
c003/opSoftmaxc003/in0*
T0"†