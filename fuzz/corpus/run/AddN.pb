
A
c000/in0Const*
dtype0*!
valueB"jœØ>C8@Æ˜Z?
+
c000/opAddNc000/in0*
T0*
N"†