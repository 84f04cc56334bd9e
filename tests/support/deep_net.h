/* tests/support/deep_net.h - a GraphDef of many dense layers, each with batch norm and ReLU, as text; with the gradients
 * that TensorFlow 2.15 writes for it, if asked.
 *
 * For what has to stay in proportion to a graph's size. Channels: 16, the batch: unknown.
 */
#ifndef EK_TESTS_DEEP_NET_H
#define EK_TESTS_DEEP_NET_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct deep_net {
    char *text; /* free() */
    size_t size, room;
    int layer;
} deep_net;

static inline void deep_net_put(deep_net *d, const char *s, size_t n)
{
    if (d->size + n + 1 > d->room) {
        d->room = 2 * (d->size + n + 1);
        d->text = realloc(d->text, d->room);
        if (d->text == NULL) abort();
    }
    memcpy(d->text + d->size, s, n);
    d->size += n;
    d->text[d->size] = '\0';
}

/* "%" is the layer, "@" the one before it. */
static inline void deep_net_name(deep_net *d, const char *s)
{
    char number[16];

    for (; *s != '\0'; s++) {
        if (*s != '@' && *s != '%') {
            deep_net_put(d, s, 1);
            continue;
        }
        snprintf(number, sizeof number, "%d", d->layer - (*s == '@'));
        deep_net_put(d, number, strlen(number));
    }
}

/* op name: inputs separated by blanks; attributes in GraphDef's text form. T is float unless they name a type. */
static inline void deep_net_node(deep_net *d, const char *op, const char *name, const char *inputs, const char *attributes)
{
    static const char type[] = "attr { key: 'T' value { type: DT_FLOAT } } ";

    deep_net_name(d, "node { name: '");
    deep_net_name(d, name);
    deep_net_name(d, "' op: '");
    deep_net_name(d, op);
    deep_net_name(d, "' ");
    while (*inputs != '\0') {
        const size_t n = strcspn(inputs, " ");
        char one[64];

        snprintf(one, sizeof one, "%.*s", (int)n, inputs);
        deep_net_name(d, "input: '");
        deep_net_name(d, one);
        deep_net_name(d, "' ");
        inputs += n + (inputs[n] == ' ');
    }
    if (strstr(attributes, "DT_") == NULL) deep_net_put(d, type, sizeof type - 1);
    deep_net_name(d, attributes);
    deep_net_name(d, "}\n");
}

static inline void deep_net_constant(deep_net *d, const char *name, const char *type, const char *value)
{
    char attributes[256];

    snprintf(attributes, sizeof attributes,
             "attr { key: 'dtype' value { type: %s } } attr { key: 'value' value { tensor { dtype: %s %s } } } ", type,
             type, value);
    deep_net_node(d, "Const", name, "", attributes);
}

static inline void deep_net_variable(deep_net *d, const char *name, const char *read, const char *dims)
{
    char attributes[256];

    snprintf(attributes, sizeof attributes,
             "attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { %s } } } ", dims);
    deep_net_node(d, "VariableV2", name, "", attributes);
    deep_net_node(d, "Identity", read, name, "");
}

static inline void deep_net_layer(deep_net *d)
{
    static const char keep[] = "attr { key: 'keep_dims' value { b: true } } ";
    static const char squeeze[] = "attr { key: 'squeeze_dims' value { list { i: 0 } } } ";

    deep_net_variable(d, "w%", "w%/read", "dim { size: 16 } dim { size: 16 }");
    deep_net_variable(d, "bn%/gamma", "bn%/gamma/read", "dim { size: 16 }");
    deep_net_variable(d, "bn%/beta", "bn%/beta/read", "dim { size: 16 }");
    deep_net_node(d, "MatMul", "mm%", "relu@ w%/read", "");
    deep_net_node(d, "Mean", "bn%/mean", "mm% axes", keep);
    deep_net_node(d, "StopGradient", "bn%/stop", "bn%/mean", "");
    deep_net_node(d, "SquaredDifference", "bn%/difference", "mm% bn%/stop", "");
    deep_net_node(d, "Mean", "bn%/variance", "bn%/difference axes", keep);
    deep_net_node(d, "Squeeze", "bn%/squeeze", "bn%/mean", squeeze);
    deep_net_node(d, "Squeeze", "bn%/squeeze_1", "bn%/variance", squeeze);
    deep_net_node(d, "AddV2", "bn%/add", "bn%/squeeze_1 epsilon", "");
    deep_net_node(d, "Rsqrt", "bn%/rsqrt", "bn%/add", "");
    deep_net_node(d, "Mul", "bn%/mul", "bn%/rsqrt bn%/gamma/read", "");
    deep_net_node(d, "Mul", "bn%/mul_1", "mm% bn%/mul", "");
    deep_net_node(d, "Mul", "bn%/mul_2", "bn%/squeeze bn%/mul", "");
    deep_net_node(d, "Sub", "bn%/sub", "bn%/beta/read bn%/mul_2", "");
    deep_net_node(d, "AddV2", "bn%/add_1", "bn%/mul_1 bn%/sub", "");
    deep_net_node(d, "Relu", "relu%", "bn%/add_1", "");
}

/* From dy, the gradient of bn/add_1, to that of the layer before. */
static inline void deep_net_way_back(deep_net *d)
{
    deep_net_node(d, "ReluGrad", "g%/dy", "g%/dout relu%", "");
    deep_net_node(d, "Sum", "g%/dbeta", "g%/dy axes", "");
    deep_net_node(d, "Mul", "g%/mul", "g%/dy bn%/mul", "");
    deep_net_node(d, "Mul", "g%/mul_1", "mm% g%/dy", "");
    deep_net_node(d, "Sum", "g%/sum", "g%/mul_1 axes", "");
    deep_net_node(d, "Neg", "g%/neg", "g%/dbeta", "");
    deep_net_node(d, "Mul", "g%/mul_2", "g%/neg bn%/mul", "");
    deep_net_node(d, "Mul", "g%/mul_3", "g%/neg bn%/squeeze", "");
    deep_net_node(d, "AddN", "g%/add_n", "g%/sum g%/mul_3", "attr { key: 'N' value { i: 2 } } ");
    deep_net_node(d, "Mul", "g%/mul_4", "g%/add_n bn%/gamma/read", "");
    deep_net_node(d, "Mul", "g%/dgamma", "g%/add_n bn%/rsqrt", "");
    deep_net_node(d, "RsqrtGrad", "g%/rsqrt", "bn%/rsqrt g%/mul_4", "");
    deep_net_node(d, "Reshape", "g%/reshape", "g%/rsqrt row", "");
    deep_net_node(d, "Shape", "g%/shape", "mm%", "");
    deep_net_node(d, "BroadcastTo", "g%/broadcast", "g%/reshape g%/shape", "");
    deep_net_node(d, "Size", "g%/size", "mm%", "");
    deep_net_node(d, "FloorDiv", "g%/count", "g%/size channels", "attr { key: 'T' value { type: DT_INT32 } } ");
    deep_net_node(d, "Cast", "g%/cast", "g%/count",
                  "attr { key: 'SrcT' value { type: DT_INT32 } } attr { key: 'DstT' value { type: DT_FLOAT } } ");
    deep_net_node(d, "RealDiv", "g%/div", "g%/broadcast g%/cast", "");
    deep_net_node(d, "Mul", "g%/twice", "two g%/div", "");
    deep_net_node(d, "Sub", "g%/sub", "mm% bn%/stop", "");
    deep_net_node(d, "Mul", "g%/mul_5", "g%/twice g%/sub", "");
    deep_net_node(d, "Reshape", "g%/reshape_1", "g%/mul_2 row", "");
    deep_net_node(d, "BroadcastTo", "g%/broadcast_1", "g%/reshape_1 g%/shape", "");
    deep_net_node(d, "RealDiv", "g%/div_1", "g%/broadcast_1 g%/cast", "");
    deep_net_node(d, "AddN", "g%/dx", "g%/mul g%/mul_5 g%/div_1", "attr { key: 'N' value { i: 3 } } ");
    deep_net_node(d, "MatMul", "g%/dw", "relu@ g%/dx", "attr { key: 'transpose_a' value { b: true } } ");
    deep_net_node(d, "MatMul", "g@/dout", "g%/dx w%/read", "attr { key: 'transpose_b' value { b: true } } ");
}

static inline deep_net deep_net_of(int layers, bool gradients)
{
    deep_net d = {.layer = 0};

    deep_net_node(&d, "Placeholder", "relu0", "",
                  "attr { key: 'dtype' value { type: DT_FLOAT } } attr { key: 'shape' value { shape { dim { size: -1 } "
                  "dim { size: 16 } } } } ");
    deep_net_constant(&d, "axes", "DT_INT32", "tensor_shape { dim { size: 1 } } int_val: 0");
    deep_net_constant(&d, "row", "DT_INT32", "tensor_shape { dim { size: 2 } } int_val: 1 int_val: 16");
    deep_net_constant(&d, "channels", "DT_INT32", "tensor_shape { } int_val: 16");
    deep_net_constant(&d, "epsilon", "DT_FLOAT", "tensor_shape { } float_val: 0.001");
    deep_net_constant(&d, "two", "DT_FLOAT", "tensor_shape { } float_val: 2");
    for (d.layer = 1; d.layer <= layers; d.layer++) deep_net_layer(&d);
    d.layer = layers;
    if (gradients) deep_net_node(&d, "Square", "g%/dout", "relu%", "");
    for (; gradients && d.layer >= 1; d.layer--) deep_net_way_back(&d);
    return d;
}

#endif
