package dev.causal4j.kernel;

/**
 * A norm over D numbers: y = (x - m) · s · gain + bias with s = 1 / sqrt(mean of (x - m)² + epsilon).
 *
 * @param gain [D]
 * @param bias [D]
 * @param centered whether m is the mean of x, a layer norm (Ba et al. 2016), or 0, an RMS norm (Zhang and Sennrich
 *     2019)
 */
public record NormRule(float[] gain, float[] bias, float epsilon, boolean centered) {}
