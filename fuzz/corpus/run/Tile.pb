
3
c016/in0Placeholder*
dtype0*
shape:
3
c016/in1Placeholder*
dtype0*
shape:
>
c016/opTilec016/in0c016/in1*

Tmultiples0*
T0"†