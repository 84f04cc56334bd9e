
9
c003/in0Placeholder*
dtype0*
shape
:
5
c003/in1Placeholder*
dtype0	*
shape:
F
c003/opGatherNdc003/in0c003/in1*
Tindices0	*
Tparams0"†