package dev.causal4j.springboot;

import org.springframework.boot.diagnostics.AbstractFailureAnalyzer;
import org.springframework.boot.diagnostics.FailureAnalysis;
import org.springframework.util.StringUtils;

/** Shows a property that cannot be used without a stack trace. The remedy of its message is the action. */
final class PropertyFailureAnalyzer extends AbstractFailureAnalyzer<PropertyException> {
    @Override
    protected FailureAnalysis analyze(Throwable failure, PropertyException cause) {
        String[] parts = String.valueOf(cause.getMessage()).split("; (?!.*; )", 2);
        String remedy = parts.length == 1 ? "correct the property" : parts[1];
        return new FailureAnalysis(parts[0] + ".", StringUtils.capitalize(remedy) + ".", cause);
    }
}
