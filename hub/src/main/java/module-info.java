/** Models by name from the Hugging Face hub and its cache. */
module dev.causal4j.hub {
    requires transitive dev.causal4j;
    requires java.net.http;
    requires static transitive org.jspecify;

    exports dev.causal4j.hub;
}
