
5
c003/in0Placeholder*
dtype0*
shape:
1
c003/opCastc003/in0*

DstT0*

SrcT0"†