// SPDX-License-Identifier: BSD-3-Clause

package main

// A select statement has a fixed number of clauses, and going through reflection would cost more than
// what is measured. So they are spelt out.

func select2(c []chan uint64) (v uint64) {
	select {
	case v = <-c[0]:
	case v = <-c[1]:
	}
	return v
}

func select8(c []chan uint64) (v uint64) {
	select {
	case v = <-c[0]:
	case v = <-c[1]:
	case v = <-c[2]:
	case v = <-c[3]:
	case v = <-c[4]:
	case v = <-c[5]:
	case v = <-c[6]:
	case v = <-c[7]:
	}
	return v
}

func select64(c []chan uint64) (v uint64) {
	select {
	case v = <-c[0]:
	case v = <-c[1]:
	case v = <-c[2]:
	case v = <-c[3]:
	case v = <-c[4]:
	case v = <-c[5]:
	case v = <-c[6]:
	case v = <-c[7]:
	case v = <-c[8]:
	case v = <-c[9]:
	case v = <-c[10]:
	case v = <-c[11]:
	case v = <-c[12]:
	case v = <-c[13]:
	case v = <-c[14]:
	case v = <-c[15]:
	case v = <-c[16]:
	case v = <-c[17]:
	case v = <-c[18]:
	case v = <-c[19]:
	case v = <-c[20]:
	case v = <-c[21]:
	case v = <-c[22]:
	case v = <-c[23]:
	case v = <-c[24]:
	case v = <-c[25]:
	case v = <-c[26]:
	case v = <-c[27]:
	case v = <-c[28]:
	case v = <-c[29]:
	case v = <-c[30]:
	case v = <-c[31]:
	case v = <-c[32]:
	case v = <-c[33]:
	case v = <-c[34]:
	case v = <-c[35]:
	case v = <-c[36]:
	case v = <-c[37]:
	case v = <-c[38]:
	case v = <-c[39]:
	case v = <-c[40]:
	case v = <-c[41]:
	case v = <-c[42]:
	case v = <-c[43]:
	case v = <-c[44]:
	case v = <-c[45]:
	case v = <-c[46]:
	case v = <-c[47]:
	case v = <-c[48]:
	case v = <-c[49]:
	case v = <-c[50]:
	case v = <-c[51]:
	case v = <-c[52]:
	case v = <-c[53]:
	case v = <-c[54]:
	case v = <-c[55]:
	case v = <-c[56]:
	case v = <-c[57]:
	case v = <-c[58]:
	case v = <-c[59]:
	case v = <-c[60]:
	case v = <-c[61]:
	case v = <-c[62]:
	case v = <-c[63]:
	}
	return v
}
