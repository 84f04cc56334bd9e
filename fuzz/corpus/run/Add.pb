
3
c003/in0Placeholder*
dtype0*
shape:
3
c003/in1Placeholder*
dtype0*
shape:
+
c003/opAddc003/in0c003/in1*
T0"†