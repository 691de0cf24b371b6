/**
 * Causal language models on Apache Spark: {@link dev.causal4j.spark.SparkCausalLM} scores, ranks and generates for the rows
 * of a Dataset, {@link dev.causal4j.spark.CausalLMCatalog} does it from SQL, and {@link dev.causal4j.spark.ScoreFolder}
 * is a job for {@code spark-submit}.
 *
 * <p>Only a {@link dev.causal4j.spark.ModelSource} travels; it says where the model is. Each executor loads it once,
 * and all tasks of the executor submit to one engine; a task brings as many threads as Spark gave it cores.
 *
 * <p>Results have the bits of a single process, whatever is lost, retried or moved. A row that cannot be processed has an
 * error in its result; a null has the result null; neither ends a job. Text in columns is plain text: what it spells is
 * never a special token.
 */
@NullMarked
package dev.causal4j.spark;

import org.jspecify.annotations.NullMarked;
