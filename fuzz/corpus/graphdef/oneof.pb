
;
aPlacehomder*
dtype0*
shape:ÿÿÿÿÿÿÿÿÿ

bIdentitya:5^c*
T0
	
cNoOp