
3
c015/in0Placeholder*
dtype0*
shape:
3
c015/in1Placeholder*
dtype0*
shape:
=
c015/op	ReverseV2c015/in0c015/in1*
T0*

Tidx0"†