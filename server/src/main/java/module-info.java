/** An HTTP server for causal language models, with OpenAI's API. */
module dev.causal4j.server {
    requires transitive dev.causal4j;
    requires java.logging; // closing a connection may close a log, too
    requires static micrometer.core; // for who binds its figures to a registry
    requires undertow.core;
    requires xnio.api;
    requires static transitive org.jspecify;

    exports dev.causal4j.server;
}
