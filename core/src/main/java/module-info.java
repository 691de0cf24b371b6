/**
 * Causal language models in pure Java: generate, score, train, inspect. The arithmetic and file formats are internal.
 */
@SuppressWarnings("module") // modules that are compiled later
module dev.causal4j {
    requires transitive dev.causal4j.text;
    requires static jdk.incubator.vector; // without it kernels are plain Java
    requires static transitive org.jspecify;
    requires jdk.jfr;
    requires jdk.management; // memory of the machine or container

    exports dev.causal4j.compute;
    exports dev.causal4j.tensor;
    exports dev.causal4j.head;
    exports dev.causal4j.model;
    exports dev.causal4j.generation;
    exports dev.causal4j.receipt;
    exports dev.causal4j.scoring;
    exports dev.causal4j.training;
    exports dev.causal4j.decoder to
            dev.causal4j.cli,
            dev.causal4j.server,
            dev.causal4j.springboot;
    exports dev.causal4j.format to
            dev.causal4j.austen,
            dev.causal4j.cli,
            dev.causal4j.hub,
            dev.causal4j.server;
    exports dev.causal4j.generation.friend to
            dev.causal4j.cli,
            dev.causal4j.server,
            dev.causal4j.spark;
    exports dev.causal4j.kernel to
            dev.causal4j.cli,
            dev.causal4j.machine;
    exports dev.causal4j.kernel.choice to
            dev.causal4j.cli,
            dev.causal4j.machine,
            dev.causal4j.springboot;

    uses dev.causal4j.kernel.choice.KernelProvider;
}
