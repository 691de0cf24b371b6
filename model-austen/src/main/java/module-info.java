/** A small model, trained on Jane Austen's novels. */
module dev.causal4j.austen {
    requires transitive dev.causal4j;
    requires static transitive org.jspecify;

    exports dev.causal4j.austen;
}
