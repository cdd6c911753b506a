"""The reference model server: SmolLM2-135M on llama.cpp, behind the OpenAI chat API, with health worth believing.

Two processes. The engine (`engine_main`) holds the weights and generates. The front (everything else) takes requests,
queues them, watches whether the engine gets on, answers the kubelet, and drains. An engine that is stuck therefore
never keeps the front from saying so.
"""
