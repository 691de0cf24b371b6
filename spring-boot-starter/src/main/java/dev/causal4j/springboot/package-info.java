/**
 * Spring Boot's auto-configuration of a causal language model in this process, by the properties {@code
 * spring.ai.causal4j.*}: {@link dev.causal4j.springboot.Causal4jAutoConfiguration} lists the beans.
 *
 * <p>{@code Causal4jProperties} are the properties. {@code Causal4jModels} owns what is loaded; the beans that use it
 * depend on it, so it is closed after them. {@code Causal4jMeters} are the figures, {@code PropertyException} names the
 * property that cannot be used, and {@code PropertyFailureAnalyzer} shows it when the application fails to start.
 */
@NullMarked
package dev.causal4j.springboot;

import org.jspecify.annotations.NullMarked;
