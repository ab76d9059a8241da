 ile.vif16ew<>
