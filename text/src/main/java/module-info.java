/** Text for causal language models: tokens, prompts, answers and masks, without a model. */
@SuppressWarnings("module") // modules that are compiled later
module dev.causal4j.text {
    requires static transitive org.jspecify;
    requires tools.jackson.core;

    exports dev.causal4j;
    exports dev.causal4j.tokenizer;
    exports dev.causal4j.chat;
    exports dev.causal4j.constraint;
    exports dev.causal4j.json to
            dev.causal4j,
            dev.causal4j.austen,
            dev.causal4j.cli,
            dev.causal4j.hub,
            dev.causal4j.server;
}
