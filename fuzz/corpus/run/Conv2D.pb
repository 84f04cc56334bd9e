
3
c003/in0Placeholder*
dtype0*
shape:
A
c003/in1Placeholder*
dtype0*
shape:
m
c003/opConv2Dc003/in0c003/in1*
strides
*
	dilations
*
T0*
paddingSAME"†