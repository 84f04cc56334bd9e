
;
aPlaceholder*
dtype0*
shape:ÿÿÿÿÿÿÿÿÿ

bIdentitya:0^c*
T0
	
cNoOp