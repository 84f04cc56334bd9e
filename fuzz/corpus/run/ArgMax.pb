
9
c003/in0Placeholder*
dtype0*
shape
:
3
c003/in1Placeholder*
dtype0*
shape:
M
c003/opArgMaxc003/in0c003/in1*
output_type0*
T0*

Tidx0"†