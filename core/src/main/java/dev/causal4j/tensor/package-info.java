/**
 * Numbers in memory: {@link dev.causal4j.tensor.DType}, {@link dev.causal4j.tensor.Matrix} (a weight matrix in panels)
 * and {@link dev.causal4j.tensor.Groups} (the layout of a file's codes in a matrix). A {@link
 * dev.causal4j.tensor.Device} is their memory and threads.
 *
 * <p>For training there are {@link dev.causal4j.tensor.Gradient}, in the same panels, {@link
 * dev.causal4j.tensor.Gradients}, which finds the gradient of a parameter, and {@link
 * dev.causal4j.tensor.MutableMatrix}, a writable matrix.
 *
 * <p>There is no general tensor class: activations are {@code float[]} with their shape in a comment, weights are a
 * {@code Matrix}.
 */
@NullMarked
package dev.causal4j.tensor;

import org.jspecify.annotations.NullMarked;
