package example;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.springai.Causal4jChatOptions;
import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.chat.client.ChatClient.ChatClientRequestSpec;
import org.springframework.ai.chat.client.advisor.MessageChatMemoryAdvisor;
import org.springframework.ai.chat.client.advisor.vectorstore.QuestionAnswerAdvisor;
import org.springframework.ai.chat.memory.ChatMemory;
import org.springframework.ai.chat.prompt.ChatOptions;
import org.springframework.ai.chat.prompt.PromptTemplate;
import org.springframework.ai.vectorstore.SearchRequest;
import org.springframework.ai.vectorstore.VectorStore;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.stereotype.Service;

/** Answers the questions of readers. Thread-safe. */
@Service
class Desk {
    /** The subject of a question, and whether a person should see it. */
    record Topic(Department department, boolean urgent) {}

    /** Room for a call or a record, which are nothing if they are cut. */
    private static final int FORM = 80;

    private final ChatClient client;
    private final MessageChatMemoryAdvisor memory;
    private final QuestionAnswerAdvisor passages;
    private final Letters letters;

    Desk(
            ChatClient.Builder builder,
            ChatMemory memory,
            VectorStore passages,
            @Value("${desk.passages}") int count,
            Letters letters) {
        client = builder.build();
        this.memory = MessageChatMemoryAdvisor.builder(memory).build();
        this.passages = QuestionAnswerAdvisor.builder(passages)
                .searchRequest(SearchRequest.builder().topK(count).build())
                .promptTemplate(new PromptTemplate("{question_answer_context}\n\n{query}"))
                .build();
        this.letters = letters;
    }

    /** Answers, or leaves an urgent question with a department. */
    String reply(String conversation, String question) {
        return topic(question).urgent() ? forward(conversation, question) : answer(conversation, question);
    }

    /** Holds what the model writes to the record's schema. */
    Topic topic(String question) {
        return client.prompt(question)
                .options(ChatOptions.builder().maxTokens(FORM))
                .call()
                .entity(Topic.class);
    }

    /** Answers by the passages that are nearest to the question. The model may write a letter. */
    String answer(String conversation, String question) {
        return prompt(conversation, question).advisors(passages).call().content();
    }

    /** Makes the model write a letter, and lets it say so. */
    String forward(String conversation, String question) {
        return prompt(conversation, question)
                .options(Causal4jChatOptions.builder()
                        .toolChoice(ToolChoice.named("write"))
                        .maxTokens(FORM))
                .call()
                .content();
    }

    private ChatClientRequestSpec prompt(String conversation, String question) {
        return client.prompt(question)
                .advisors(memory)
                .advisors(each -> each.param(ChatMemory.CONVERSATION_ID, conversation))
                .tools(letters);
    }
}
